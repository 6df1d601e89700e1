//! What networks are made of: fast CPU [`kernels`] for live inference.

pub mod kernels;
