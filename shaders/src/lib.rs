//! Colour maps and drawing primitives: data shared by shaders and their CPU twins.

pub mod canvas;
