//! Draws an image on a screen: the CPU reference of `frame.wgsl`.
//!
//! All sources deliver RGBA with opaque pixels, so there is no other format.

use crate::canvas::{Canvas, mix};
use crate::heat::Sampling;
use crate::view::View;

/// An image to be displayed.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Red, green, blue, alpha; rows without padding.
    pub rgba: &'a [u8],
    /// Width and height in pixels.
    pub size: [usize; 2],
    /// Interpolation between its pixels.
    pub sampling: Sampling,
}

impl Canvas<'_> {
    /// Draws `picture` at the position given by `view`; pixels outside of it are unchanged. Nothing
    /// is drawn if the size does not match the number of pixels.
    pub fn frame(&mut self, picture: &Image<'_>, view: &View) {
        let [w, h] = picture.size;
        let pixels: &[[u8; 4]] = bytemuck::cast_slice(picture.rgba);
        if w == 0 || h == 0 || picture.rgba.len() != w * h * 4 {
            return;
        }
        let at = |x: f64, y: f64| {
            let clamp = |v: f64, n: usize| v.clamp(0.0, n as f64 - 1.0) as usize;
            pixels[clamp(y, h) * w + clamp(x, w)]
        };
        let color = |x: f64, y: f64| match picture.sampling {
            Sampling::Nearest => at((x + 0.5).floor(), (y + 0.5).floor()).map(f64::from),
            Sampling::Bilinear => {
                let (x0, y0) = (x.floor(), y.floor());
                let (fx, fy) = (x - x0, y - y0);
                let corners = [
                    at(x0, y0),
                    at(x0 + 1.0, y0),
                    at(x0, y0 + 1.0),
                    at(x0 + 1.0, y0 + 1.0),
                ];
                let shares = [
                    (1.0 - fx) * (1.0 - fy),
                    fx * (1.0 - fy),
                    (1.0 - fx) * fy,
                    fx * fy,
                ];
                std::array::from_fn(|c| (0..4).map(|i| f64::from(corners[i][c]) * shares[i]).sum())
            }
        };
        for row in 0..self.height() {
            for column in 0..self.width() {
                let [x, y] = view.to_image([column as f64, row as f64]);
                let inside = x >= -0.5 && y >= -0.5 && x < w as f64 - 0.5 && y < h as f64 - 0.5;
                if inside {
                    let [r, g, b, _] = color(x, y).map(|v| (v + 0.5) as u8);
                    mix(&mut self.row_mut(row)[column], [r, g, b], 1.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Zoom;

    /// Fails when a displayed image is shifted by half a pixel, not mirrored, or blurred at scale
    /// 1.
    #[test]
    fn an_image_is_shown_pixel_by_pixel_and_mirrored() {
        let (w, h) = (5, 3);
        let rgba: Vec<u8> = (0..w * h).flat_map(|i| [i as u8 * 16, 0, 9, 255]).collect();
        for sampling in [Sampling::Bilinear, Sampling::Nearest] {
            for is_mirrored in [false, true] {
                let view = View::letterbox([w, h], [9.0, 3.0], Zoom::WHOLE, is_mirrored, 1);
                let mut screen = [7; 9 * 3 * 4];
                let picture = Image {
                    rgba: &rgba,
                    size: [w, h],
                    sampling,
                };
                Canvas::new(&mut screen, 9, 3).frame(&picture, &view);
                for (i, pixel) in screen.chunks_exact(4).enumerate() {
                    let (x, y) = (i % 9, i / 9);
                    let want = match (2..7).contains(&x) {
                        false => 7,
                        true if is_mirrored => (y * w + 6 - x) as u8 * 16,
                        true => (y * w + x - 2) as u8 * 16,
                    };
                    assert_eq!(pixel[0], want, "{x} {y} {is_mirrored}");
                }
            }
        }
    }
}
