//! Synthetic training data: drawn people.

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use poselens_engine::skeleton::Skeleton;
use poselens_tests::fill::unit;
use serde_json::json;

/// A standing person; coordinates in per cent of the image.
const STANCE: [[f64; 2]; 17] = [
    [50., 18.],
    [53., 15.],
    [47., 15.],
    [57., 17.],
    [43., 17.],
    [63., 32.],
    [37., 32.],
    [70., 46.],
    [30., 46.],
    [74., 60.],
    [26., 60.],
    [58., 58.],
    [42., 58.],
    [60., 74.],
    [40., 74.],
    [61., 90.],
    [39., 90.],
];

/// Draws images of people made of coloured dots, one colour per joint, and their labels.
pub(crate) fn draw_people(folder: &Path, n: u64) -> PathBuf {
    draw_groups(folder, n, 1)
}

/// As [`draw_people`], with `in_each` people next to each other in every image, `n` people in
/// total.
pub(super) fn draw_groups(folder: &Path, n: u64, in_each: u64) -> PathBuf {
    let skeleton = Skeleton::by_name("coco17").unwrap();
    let side = 96u32;
    let width = side * in_each as u32;
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    let mut picture = RgbImage::new(width, side);
    for i in 0..n {
        let (number, left) = (i / in_each, 96.0 * (i % in_each) as f64);
        let wobble =
            |j: usize, axis: u64| 8.0 * (unit("wobble", 1000 * i + 2 * j as u64 + axis) - 0.5);
        let joints: Vec<[f64; 2]> = STANCE
            .iter()
            .enumerate()
            .map(|(j, [x, y])| {
                let (x, y) = ((x + wobble(j, 0)) * 0.96, (y + wobble(j, 1)) * 0.96);
                [left + x.round(), y.round()]
            })
            .collect();
        if i % in_each == 0 {
            picture = RgbImage::from_fn(width, side, |x, y| {
                let noise = unit("ground", u64::from(x + width * y) + 10_000 * number);
                Rgb([(60.0 + 40.0 * noise) as u8; 3])
            });
            let name = format!("{number}.png");
            let image = json!({ "id": number, "file_name": name, "width": width, "height": side });
            images.push(image);
        }
        for (j, [x, y]) in joints.iter().enumerate() {
            let colour = [0, 1, 2].map(|c| (255.0 * unit("colour", 3 * j as u64 + c)) as u8);
            for (dx, dy) in (-3i32..=3).flat_map(|dx| (-3i32..=3).map(move |dy| (dx, dy))) {
                let (px, py) = (*x as i32 + dx, *y as i32 + dy);
                if dx * dx + dy * dy <= 10 && px >= 0 && py >= 0 && px < width as i32 && py < 96 {
                    picture.put_pixel(px as u32, py as u32, Rgb(colour));
                }
            }
        }
        picture.save(folder.join(format!("{number}.png"))).unwrap();
        let keypoints: Vec<f64> = joints.iter().flat_map(|[x, y]| [*x, *y, 2.0]).collect();
        annotations.push(json!({
            "id": i, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 4000.0,
            "bbox": [left + 18.0, 8.0, 60.0, 84.0], "num_keypoints": 17, "keypoints": keypoints,
        }));
    }
    let file = folder.join("people.json");
    let labels = json!({
        "images": images,
        "annotations": annotations,
        "categories": [{ "id": 1, "name": "person", "keypoints": skeleton.joints }],
    });
    std::fs::write(&file, labels.to_string()).unwrap();
    file
}
