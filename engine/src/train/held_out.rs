//! Predictions for a few held-out people, always the same ones, for display after every epoch.

use std::path::PathBuf;

use poselens_shaders::INK;
use poselens_shaders::canvas::Canvas;

use crate::dataset::{picture, rgba_of};
use crate::error::Result;
use crate::frame::{Frame, Pixels};
use crate::geometry::{Affine2, Alignment, Roi, Size};
use crate::output::{PeopleCount, PoseOutput, Timings};
use crate::overlay::{OverlayStyle, draw_all, overlay};
use crate::pose::{Keypoint, Pose};
use crate::preprocess::InputSpec;
use crate::sample::{Joint, Orientation};
use crate::skeleton::Skeleton;

/// Number of people displayed.
pub(super) const N_SEEN: usize = 6;

/// A held-out person with labels and predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOutPose {
    /// Path of the image.
    pub path: PathBuf,
    /// Id of the image in the data set.
    pub image_id: u64,
    /// Size of the image in pixels.
    pub size: Size,
    /// Whether the EXIF rotation is applied.
    pub orientation: Orientation,
    /// Region of the image that the network processed.
    pub roi: Roi,
    /// Defines the joints.
    pub skeleton: &'static Skeleton,
    /// Labelled joints in image pixels.
    pub labels: Vec<Joint>,
    /// Predicted joints in image pixels.
    pub found: Vec<Keypoint>,
}

/// Returns whether person `i` of `all` is displayed: they are evenly spaced.
pub(super) fn is_displayed(i: usize, all: usize) -> bool {
    all <= N_SEEN || i * N_SEEN / all != (i + 1) * N_SEEN / all
}

impl HeldOutPose {
    /// Draws the region `height` pixels high three times: bare, with the labelled and with the
    /// predicted skeleton.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub fn draw(&self, height: usize) -> Result<[Frame; 3]> {
        let frame = picture::of_file(&self.path, self.image_id, self.size, self.orientation)?;
        let width = (height as f64 * self.roi.width / self.roi.height).round();
        let spec = InputSpec {
            size: Size::new((width as usize).clamp(1, 4 * height), height),
            mean: [0.0; 3],
            std: [1.0; 3],
            alignment: Alignment::HalfPixel,
            padding: 1.0,
            border: INK,
        };
        let crop = spec.crop(&frame, &self.roi, Vec::new());
        let rgba = rgba_of(&crop.values, &spec);
        let bare = Frame::new(self.image_id, 0.0, spec.size, Pixels::unpooled(rgba));
        // A label outside the image marks an absent joint.
        let labels = self
            .labels
            .iter()
            .map(|joint| match joint.inside(frame.size()) {
                Some(point) => Keypoint::from([point.x as f32, point.y as f32, 1.0]),
                None => Keypoint::from([0.0; 3]),
            });
        let labels = self.over(&bare, labels, &crop.image_from_input);
        // Joints that were not found are all zero and stay so.
        let score = |k: &Keypoint| f32::from(u8::from(*k != Keypoint::default()));
        let found = self.found.iter();
        let found = found.map(|k| Keypoint {
            score: score(k),
            ..*k
        });
        let found = self.over(&bare, found, &crop.image_from_input);
        Ok([bare, labels, found])
    }

    /// Draws a skeleton over `bare`.
    fn over(
        &self,
        bare: &Frame,
        joints: impl Iterator<Item = Keypoint>,
        image_from_tile: &Affine2,
    ) -> Frame {
        // No rotation: only scale and translation.
        let [[sx, _, x0], [_, sy, y0]] = image_from_tile.m;
        let in_tile = |k: Keypoint| {
            let (x, y) = ((f64::from(k.x) - x0) / sx, (f64::from(k.y) - y0) / sy);
            Keypoint::from([x as f32, y as f32, k.score])
        };
        let output = PoseOutput {
            frame: bare.clone(),
            model: "".into(),
            skeleton: self.skeleton,
            poses: vec![Pose::from_keypoints(joints.map(in_tile).collect())],
            regions: Vec::new(),
            timings: Timings::default(),
            people: PeopleCount::default(),
        };
        let style = OverlayStyle {
            track_ids: false,
            legends: false,
            ..OverlayStyle::default()
        };
        let Size { width, height } = bare.size();
        let mut rgba = bare.rgba().to_vec();
        let layers: Vec<_> = overlay("skeleton").into_iter().collect();
        let mut canvas = Canvas::new(&mut rgba, width, height);
        draw_all(&mut canvas, &output, &layers, &style);
        Frame::new(bare.id, 0.0, bare.size(), Pixels::unpooled(rgba))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point;
    use crate::sample::Visibility;
    use poselens_shaders::LEFT;
    use proptest::prelude::*;

    proptest! {
        /// Fails when too many or too few people are selected, or only the first ones.
        #[test]
        fn selected_people_are_evenly_spread(all in 1usize..5000) {
            let chosen: Vec<_> = (0..all).filter(|i| is_displayed(*i, all)).collect();
            prop_assert_eq!(chosen.len(), all.min(N_SEEN));
            prop_assert!((chosen[chosen.len() - 1] + 1) * 6 > (all - 1) * 5);
        }
    }

    /// Fails when a skeleton is drawn at different places in the small and the large image, or a
    /// joint is drawn that is unlabelled or labelled as outside.
    #[test]
    fn joints_keep_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grey.png");
        image::RgbImage::from_pixel(80, 60, image::Rgb([90; 3]))
            .save(&path)
            .unwrap();
        let skeleton = Skeleton::by_name("coco17").unwrap();
        let wrist = skeleton.joint("l_wrist").unwrap();
        let unlabelled = Joint {
            point: Point::new(30.0, 30.0),
            visibility: Visibility::Unlabelled,
        };
        let mut labels = vec![unlabelled; 17];
        labels[wrist] = Joint {
            point: Point::new(40.0, 20.0),
            visibility: Visibility::Visible,
        };
        let mut seen = HeldOutPose {
            path,
            image_id: 1,
            size: Size::new(80, 60),
            orientation: Orientation::Auto,
            // Twice as large: x' = 2 (x - 20) + 0.5, y' = 2 (y - 0) + 0.5 about.
            roi: Roi {
                center: Point::new(39.5, 29.5),
                width: 40.0,
                height: 60.0,
            },
            skeleton,
            labels,
            found: vec![Keypoint::from([40.0, 20.0, 0.0]); 17],
        };
        let [bare, labels, found] = seen.draw(120).unwrap();
        assert_eq!(bare.size(), Size::new(80, 120));
        let pixel = |frame: &Frame, x: usize, y: usize| {
            let at = (y * 80 + x) * 4;
            [0, 1, 2].map(|c| frame.rgba()[at + c])
        };
        let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 40);
        assert_eq!(pixel(&bare, 40, 40), [90; 3]);
        assert!(near(pixel(&labels, 40, 40), LEFT));
        assert_eq!(pixel(&labels, 20, 60), [90; 3]);
        assert_ne!(pixel(&found, 40, 40), [90; 3]);

        seen.labels[skeleton.joint("l_elbow").unwrap()] = Joint {
            point: Point::new(-1000.0, -1000.0),
            visibility: Visibility::Visible,
        };
        assert_eq!(seen.draw(120).unwrap()[1].rgba(), labels.rgba());
    }
}
