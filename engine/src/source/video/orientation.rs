//! Rotation and mirroring of frames by a container's matrix: phones store every frame in sensor
//! orientation.

use crate::frame::BYTES_PER_PIXEL;
use crate::geometry::Size;

/// One of the eight orientations of a frame: the signs of the matrix that maps stored to displayed
/// coordinates, `x' = a x + c y`, `y' = b x + d y` with `y` downwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orientation {
    a: i8,
    b: i8,
    c: i8,
    d: i8,
}

impl Orientation {
    /// Displayed as stored.
    pub(super) const UPRIGHT: Self = Self {
        a: 1,
        b: 0,
        c: 0,
        d: 1,
    };

    /// Creates an orientation from a matrix's four numbers (any fixed point); `None` if it does
    /// more than rotate by multiples of 90 degrees, mirror and scale.
    pub(super) fn new(a: i32, b: i32, c: i32, d: i32) -> Option<Self> {
        let [a, b, c, d] = [a, b, c, d].map(|x| x.signum() as i8);
        let straight = a != 0 && d != 0 && b == 0 && c == 0;
        let turned = a == 0 && d == 0 && b != 0 && c != 0;
        (straight || turned).then_some(Self { a, b, c, d })
    }

    /// Returns the size of a rotated frame.
    pub(super) fn apply_to(self, size: Size) -> Size {
        if self.a == 0 {
            Size::new(size.height, size.width)
        } else {
            size
        }
    }

    /// Fills `shown` with the rotated frame `stored` of `size`. Both are RGBA.
    pub(super) fn turn(self, stored: &[u8], size: Size, shown: &mut [u8]) {
        // The inverse of such a matrix is its transpose: a step to the right in the displayed frame
        // moves by (a, c) in the stored one, a step downwards by (b, d).
        let row = size.width as isize;
        let step = |x: i8, y: i8| isize::from(x) + isize::from(y) * row;
        let (right, down) = (step(self.a, self.c), step(self.b, self.d));
        let target = self.apply_to(size);
        let span = |step: isize, n: usize| (step * (n as isize - 1)).min(0);
        let origin = -span(right, target.width) - span(down, target.height);
        let (stored, _) = stored.as_chunks::<BYTES_PER_PIXEL>();
        let (shown, _) = shown.as_chunks_mut::<BYTES_PER_PIXEL>();
        // Sixteen rows at a time, column by column: a 90 degree rotation then reads each cache line
        // of 16 pixels once.
        for (band, rows) in shown.chunks_mut(16 * target.width).enumerate() {
            for x in 0..target.width {
                let start = origin + x as isize * right + band as isize * 16 * down;
                for (y, pixel) in rows.iter_mut().skip(x).step_by(target.width).enumerate() {
                    *pixel = stored[(start + y as isize * down) as usize];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rotates the frame 0 1 2 / 3 4 5 and returns its values.
    fn turned(a: i32, b: i32, c: i32, d: i32) -> (Size, Vec<u8>) {
        let size = Size::new(3, 2);
        let stored: Vec<u8> = (0..6).flat_map(|i| [i, i, i, 255]).collect();
        let orientation = Orientation::new(a, b, c, d).unwrap();
        let mut shown = vec![0; stored.len()];
        orientation.turn(&stored, size, &mut shown);
        let numbers = shown.chunks(4).map(|p| p[0]).collect();
        (orientation.apply_to(size), numbers)
    }

    /// Fails when clockwise and counter-clockwise, or mirroring and rotation, are mixed up.
    #[test]
    fn all_eight_orientations_are_right() {
        let (wide, tall) = (Size::new(3, 2), Size::new(2, 3));
        assert_eq!(turned(1, 0, 0, 1), (wide, vec![0, 1, 2, 3, 4, 5]));
        assert_eq!(turned(-1, 0, 0, -1), (wide, vec![5, 4, 3, 2, 1, 0]));
        assert_eq!(turned(-1, 0, 0, 1), (wide, vec![2, 1, 0, 5, 4, 3]));
        assert_eq!(turned(1, 0, 0, -1), (wide, vec![3, 4, 5, 0, 1, 2]));
        assert_eq!(turned(0, 1, -1, 0), (tall, vec![3, 0, 4, 1, 5, 2]), "right");
        assert_eq!(turned(0, -1, 1, 0), (tall, vec![2, 5, 1, 4, 0, 3]), "left");
        assert_eq!(turned(0, 1, 1, 0), (tall, vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(turned(0, -1, -1, 0), (tall, vec![5, 2, 4, 1, 3, 0]));
    }

    /// Fails when a frame higher than one band of rows is wrong at the bands' borders.
    #[test]
    fn four_quarter_turns_are_the_identity() {
        let mut size = Size::new(37, 21);
        let original: Vec<u8> = (0..size.area() as u32).flat_map(u32::to_le_bytes).collect();
        let quarter = Orientation::new(0, 1, -1, 0).unwrap();
        let mut picture = original.clone();
        for _ in 0..4 {
            let mut shown = vec![0; picture.len()];
            quarter.turn(&picture, size, &mut shown);
            (picture, size) = (shown, quarter.apply_to(size));
        }
        assert!(picture == original);
    }

    /// Fails when a matrix that shears or rotates by other angles is accepted.
    #[test]
    fn other_matrices_are_refused() {
        assert_eq!(Orientation::new(1, 1, -1, 1), None);
        assert_eq!(Orientation::new(0, 0, 0, 0), None);
        assert_eq!(
            Orientation::new(1 << 16, 0, 0, 1 << 16),
            Some(Orientation::UPRIGHT)
        );
    }
}
