//! What networks are made of: fast CPU [`kernels`].

pub mod kernels;
