//! The one integration binary.

mod sfm;
