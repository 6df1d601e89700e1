//! The one integration binary.

mod sfm;
mod tidy;
mod window;
