//! The one integration binary.

mod window;
