//! Flip test: the network processes the input and its mirror image, and the two outputs are
//! averaged. There is no shift by one pixel as in HRNet: with maps whose first and last pixels
//! correspond under mirroring, it would only blur.

use super::ModelInput;
use crate::error::{Error, Result};
use crate::output::Planes;

/// Mirrors an input horizontally.
pub fn flip_input(input: &mut ModelInput) {
    mirror_rows(&mut input.values, input.size.width);
}

/// Converts the output for a mirrored input to that for the original input: maps are mirrored
/// horizontally, and each channel is replaced by its partner in `mirror` times the factor given
/// there.
///
/// # Errors
/// When `mirror` does not have exactly one entry per channel of `maps`.
pub fn flip_back(maps: &Planes, mirror: &[(usize, f32)]) -> Result<Planes> {
    if mirror.len() != maps.n || mirror.iter().any(|&(c, _)| c >= maps.n) {
        return Err(Error::Invalid(format!(
            "{} maps cannot be mirrored as {} channels of another skeleton",
            maps.n,
            mirror.len()
        )));
    }
    let mut values = Vec::with_capacity(maps.values.len());
    for &(channel, factor) in mirror {
        values.extend(maps.plane(channel).iter().map(|v| v * factor));
    }
    mirror_rows(&mut values, maps.size.width);
    Ok(Planes {
        n: maps.n,
        size: maps.size,
        values,
    })
}

/// Averages the outputs for an input and for its mirror image (as returned by the network).
///
/// # Errors
/// When the two differ in shape, or `mirror` does not fit them.
pub fn flip_average(
    maps: &Planes,
    maps_of_mirrored: &Planes,
    mirror: &[(usize, f32)],
) -> Result<Planes> {
    let mut average = flip_back(maps_of_mirrored, mirror)?;
    if (maps.n, maps.size) != (average.n, average.size) {
        return Err(Error::Invalid(format!(
            "heatmaps of {} and of {} cannot be averaged",
            maps.size, average.size
        )));
    }
    for (v, plain) in average.values.iter_mut().zip(&maps.values) {
        *v = (*v + plain) * 0.5;
    }
    Ok(average)
}

fn mirror_rows(values: &mut [f32], width: usize) {
    for row in values.chunks_mut(width.max(1)) {
        row.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Affine2, Size};
    use crate::skeleton::Skeleton;
    use crate::test_golden::Golden;

    fn item(i: usize) -> Planes {
        let size = Size::new(48, 64);
        let n = 17 * size.area();
        let values = Golden::open("transpose/post_decode.safetensors").f32s("heatmaps");
        Planes {
            n: 17,
            size,
            values: values[i * n..(i + 1) * n].to_vec(),
        }
    }

    fn partners(skeleton: &str) -> Vec<(usize, f32)> {
        let mirror = &Skeleton::by_name(skeleton).unwrap().mirror;
        mirror.iter().map(|&j| (j, 1.0)).collect()
    }

    fn worst(ours: &Planes, golden: &str) -> f32 {
        let golden = Golden::open("transpose/post_flip.safetensors").f32s(golden);
        assert_eq!(ours.values.len(), golden.len());
        let differences = ours.values.iter().zip(golden).map(|(a, b)| (a - b).abs());
        let worst = differences.fold(0.0, f32::max);
        println!("flip: {worst:e}");
        worst
    }

    /// Fails when left and right are swapped wrongly, or maps are mirrored or shifted wrongly.
    #[test]
    fn flipped_maps_equal_the_official_ones() {
        let mirror = &partners("coco17");
        let back = flip_back(&item(1), mirror).unwrap();
        assert_eq!(worst(&back, "flip_back_of_item1"), 0.0);
        let average = flip_average(&item(0), &item(1), mirror).unwrap();
        assert!(worst(&average, "flip_avg_item0_item1_noshift") < 1e-7);
        assert_eq!(flip_back(&back, mirror).unwrap(), item(1));
    }

    /// Fails when the mirror table of a skeleton of another size is accepted.
    #[test]
    fn another_skeleton_is_refused() {
        assert!(flip_back(&item(0), &partners("mpii16")).is_err());
    }

    /// Fails when an x component keeps its sign under mirroring.
    #[test]
    fn x_components_change_their_sign() {
        let maps = Planes {
            n: 2,
            size: Size::new(2, 1),
            values: vec![1.0, 2.0, 3.0, 4.0],
        };
        let back = flip_back(&maps, &[(1, -1.0), (0, 1.0)]).unwrap();
        assert_eq!(back.values, [-4.0, -3.0, 2.0, 1.0]);
    }

    /// Fails when the input is mirrored along the wrong axis.
    #[test]
    fn inputs_are_mirrored_horizontally() {
        let mut input = ModelInput {
            values: (0..18u8).map(f32::from).collect(),
            size: Size::new(3, 2),
            image_from_input: Affine2::IDENTITY,
        };
        flip_input(&mut input);
        assert_eq!(input.values[..6], [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
    }
}
