//! Scene cuts: images that do not continue the previous one, such as cuts in a film and the
//! photographs of a folder.

use crate::frame::{BYTES_PER_PIXEL, Frame};
use crate::geometry::Size;

/// Columns and rows of the coarse image.
const BLOCKS: [usize; 2] = [16, 12];

/// Samples per block and direction.
const N_SAMPLES: usize = 4;

/// Channels of the coarse image.
const N_CHANNELS: usize = 3;

/// Number of values of a coarse image.
const N_VALUES: usize = BLOCKS[0] * BLOCKS[1] * N_CHANNELS;

/// Correlation below which two images show different scenes. Measured on 15 clips: frames a fifth of a
/// second apart have 0.56 and more, also where a person dances in front of the camera; 95 % of
/// pairs of unrelated photographs have less than 0.38.
const SAME_SCENE: f64 = 0.45;

/// Standard deviation, of values from 0 to 255, below which an image has nothing to be compared: a
/// covered lens, a black or white frame.
const LEAST_CONTRAST: f64 = 8.0;

/// Recognises frames that do not continue the scene of the previous ones.
#[derive(Debug, Clone, Default)]
pub struct SceneCut {
    last: Option<Coarse>,
}

/// A coarse image, without its mean colour.
#[derive(Debug, Clone)]
struct Coarse {
    size: Size,
    values: Box<[f32; N_VALUES]>,
    /// Sum of the squared values.
    energy: f64,
}

impl SceneCut {
    /// Returns whether a frame shows another scene than the frames before it: true for the first one,
    /// after a change of size, and when the colours are distributed differently over the image. A
    /// brighter light is no cut, nor is a moment without any picture.
    pub fn is_cut(&mut self, frame: &Frame) -> bool {
        let now = Coarse::of(frame);
        let Some(last) = &self.last else {
            self.last = Some(now);
            return true;
        };
        let is_cut = last.size != now.size
            || (last.has_contrast() && now.has_contrast() && last.correlation(&now) < SAME_SCENE);
        if is_cut || now.has_contrast() {
            self.last = Some(now);
        }
        is_cut
    }
}

impl Coarse {
    fn of(frame: &Frame) -> Self {
        let size = frame.size();
        let mut values = Box::new([0.0; N_VALUES]);
        for (i, block) in values
            .as_chunks_mut::<N_CHANNELS>()
            .0
            .iter_mut()
            .enumerate()
        {
            let (column, row) = (i % BLOCKS[0], i / BLOCKS[0]);
            for k in 0..N_SAMPLES * N_SAMPLES {
                let [x, y] = [
                    (column, BLOCKS[0], k % N_SAMPLES, size.width),
                    (row, BLOCKS[1], k / N_SAMPLES, size.height),
                ]
                .map(|(block, n, sample, length)| {
                    (2 * (N_SAMPLES * block + sample) + 1) * length / (2 * N_SAMPLES * n)
                });
                let at = BYTES_PER_PIXEL * (y * size.width + x);
                for (value, byte) in block.iter_mut().zip(&frame.rgba()[at..]) {
                    *value += f32::from(*byte);
                }
            }
        }
        let n_blocks = (BLOCKS[0] * BLOCKS[1]) as f32;
        for channel in 0..N_CHANNELS {
            let of_channel = values.iter().skip(channel).step_by(N_CHANNELS);
            let mean = of_channel.sum::<f32>() / n_blocks;
            for value in values.iter_mut().skip(channel).step_by(N_CHANNELS) {
                *value = (*value - mean) / (N_SAMPLES * N_SAMPLES) as f32;
            }
        }
        let energy = values.iter().map(|v| f64::from(v * v)).sum();
        Self {
            size,
            values,
            energy,
        }
    }

    fn has_contrast(&self) -> bool {
        (self.energy / N_VALUES as f64).sqrt() >= LEAST_CONTRAST
    }

    /// Returns the correlation of two images with contrast, from -1 to 1.
    fn correlation(&self, other: &Self) -> f64 {
        let products = self.values.iter().zip(other.values.iter());
        let common: f64 = products.map(|(a, b)| f64::from(a * b)).sum();
        common / (self.energy * other.energy).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Pixels;

    const SIZE: Size = Size::new(64, 48);

    /// A frame whose pixels are given by their place.
    fn frame(size: Size, rgb: impl Fn(usize, usize) -> [u8; 3]) -> Frame {
        let pixel = |i: usize| {
            let [r, g, b] = rgb(i % size.width, i / size.width);
            [r, g, b, 255]
        };
        let rgba = (0..size.area()).flat_map(pixel).collect();
        Frame::new(0, 0.0, size, Pixels::unpooled(rgba))
    }

    /// A dark room with a light window from `x` on.
    fn room(x: usize, light: u8) -> Frame {
        frame(SIZE, |u, v| {
            let is_window = (x..x + 24).contains(&u) && v < 24;
            [if is_window { 180 + light } else { 30 + light }; 3]
        })
    }

    fn street() -> Frame {
        frame(
            SIZE,
            |_, v| if v > 30 { [90, 200, 90] } else { [40, 60, 90] },
        )
    }

    /// Fails when another scene or size continues the tracks of the one before.
    #[test]
    fn another_scene_is_a_cut() {
        let mut cuts = SceneCut::default();
        let frames = [room(8, 0), room(10, 0), street(), street(), room(8, 0)];
        let all: Vec<bool> = frames.iter().map(|frame| cuts.is_cut(frame)).collect();
        assert_eq!(all, [true, false, true, false, true]);
        assert!(cuts.is_cut(&frame(Size::new(48, 64), |_, _| [9; 3])));
    }

    /// Fails when motion, another light, a covered lens or noise on it starts new tracks.
    #[test]
    fn the_same_scene_is_no_cut() {
        let mut cuts = SceneCut::default();
        assert!(cuts.is_cut(&room(8, 0)));
        assert!(!cuts.is_cut(&room(12, 40)));
        for black in 0..3 {
            let noise = |u: usize, v: usize| [((u * 7 + v * 13 + black) % 5) as u8; 3];
            assert!(!cuts.is_cut(&frame(SIZE, noise)));
        }
        assert!(!cuts.is_cut(&room(12, 0)));
    }

    /// Fails when a frame smaller than the blocks is read outside of its pixels.
    #[test]
    fn a_tiny_frame_is_compared() {
        let mut cuts = SceneCut::default();
        let one = frame(Size::new(1, 1), |_, _| [7; 3]);
        assert!(cuts.is_cut(&one));
        assert!(!cuts.is_cut(&one));
    }
}
