//! The size of the scene: a known length in the picture.

use std::fmt;
use std::str::FromStr;

/// Longest name of a unit.
const LONGEST_UNIT: usize = 8;

/// How long a pixel is in the scene. It is valid at the depth of the known length only.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    pixels: f64,
    length: f64,
    unit: String,
}

impl Scale {
    /// Creates the scale of a picture in which `length` (`1.8 m`) is `pixels` long.
    ///
    /// # Errors
    /// If the length is not a positive number with a unit of letters, or `pixels` is not positive.
    pub fn new(pixels: f64, length: &str) -> Result<Self, String> {
        const FORM: &str = "a known length is a positive number with its unit, such as 1.8m";
        if !(pixels.is_finite() && pixels > 0.0) {
            return Err("a known length needs a positive number of pixels".to_owned());
        }
        let length = length.trim();
        let is_unit = |c: char| c.is_alphabetic() && !"eE".contains(c);
        let at = length.find(is_unit).ok_or(FORM)?;
        let (number, unit) = (length[..at].trim(), length[at..].trim());
        let number: f64 = number.parse().map_err(|_| FORM)?;
        let is_name = unit.chars().all(char::is_alphabetic);
        if !is_name || unit.chars().count() > LONGEST_UNIT || !number.is_finite() || number <= 0.0 {
            return Err(FORM.to_owned());
        }
        Ok(Self {
            pixels,
            length: number,
            unit: unit.to_owned(),
        })
    }

    /// Returns the length of a pixel.
    pub fn per_pixel(&self) -> f64 {
        self.length / self.pixels
    }

    /// Returns the unit of lengths.
    pub fn unit(&self) -> &str {
        &self.unit
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}px={}{}", self.pixels, self.length, self.unit)
    }
}

impl FromStr for Scale {
    type Err = String;

    /// Parses `250px=1.8m`.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("'{text}' is not a scale; write PIXELS=LENGTH, such as 250px=1.8m");
        let (pixels, length) = text.split_once('=').ok_or_else(form)?;
        let pixels = pixels.trim();
        let pixels = pixels.strip_suffix("px").unwrap_or(pixels).trim();
        let pixels = pixels.parse().map_err(|_| form())?;
        Self::new(pixels, length)
    }
}
