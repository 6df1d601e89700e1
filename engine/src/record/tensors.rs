//! Export of the tensors of one frame to files: for notebooks and for numerical comparison of
//! ports.
//!
//! Names tell the origin of a tensor: `region0.heatmaps`, `region0.x51.M`,
//! `region0.layer0.queries`; the affine maps from their pixels to the image's are stored next to
//! them (`...image_from_map`, two rows of `[x y 1]`). `region0.paf` has the x and y components of
//! every affinity field, in the order of `limbs` in the metadata. `poses` are `[people, joints, 3]`: x, y,
//! score. The displayed map is stored again as `shown.NAME`: for self-attention it is not a tensor
//! of the network, but a row or column of a matrix.
//!
//! Metadata (source, frame, time, model, joint names, map titles) is in the metadata of
//! safetensors, or in `about.json` next to NumPy files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::disk::{TensorEntry, replace, tensor_header};
use crate::error::{Error, Result};
use crate::geometry::{Affine2, Point};
use crate::output::{AttentionMap, Planes, PoseOutput, SharedPlanes};

/// A tensor with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Name of the tensor in files.
    pub name: String,
    /// Dimensions, the slowest first.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f32>,
}

/// A network output with its context.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Output of the network.
    pub output: &'a PoseOutput,
    /// Name of the source as given by the user.
    pub source: &'a str,
    /// The displayed map of one plane.
    pub shown: Option<&'a AttentionMap>,
    /// The queried joint.
    pub joint: Option<&'a str>,
    /// The queried place in image pixels: that of the joint, or a pixel.
    pub point: Option<Point>,
}

impl Answer<'_> {
    /// Returns the metadata.
    fn about(&self) -> Map<String, Value> {
        let output = self.output;
        let region = output.regions.first();
        let maps = region.iter().flat_map(|r| &r.attention).map(|map| {
            let (layer, iteration) = (map.place.layer, map.place.iteration);
            json!({"name": map.name, "title": map.title, "layer": layer, "iteration": iteration})
        });
        let layers = region
            .iter()
            .flat_map(|r| &r.query_key)
            .map(|layer| json!({"name": layer.name, "title": layer.title, "layer": layer.layer}));
        let limbs = region.and_then(|r| r.fields.as_ref()).map(|fields| {
            let limbs = 0..fields.skeleton.limbs.len();
            limbs
                .map(|l| fields.skeleton.limb_name(l))
                .collect::<Vec<_>>()
        });
        let fields = [
            ("source", json!(self.source)),
            ("frame", json!(output.frame.id)),
            ("time_secs", json!(output.frame.time_secs)),
            ("model", json!(&*output.model)),
            ("skeleton", json!(output.skeleton.name)),
            ("joints", json!(output.skeleton.joints)),
            ("limbs", json!(limbs)),
            ("maps", maps.chain(layers).collect()),
            ("shown", json!(self.shown.map(|map| &map.name))),
            ("joint", json!(self.joint)),
            ("point", json!(self.point.map(|p| [p.x, p.y]))),
        ];
        let told = fields.into_iter().filter(|(_, value)| !value.is_null());
        told.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Returns the tensors of the output and the displayed map.
    fn tensors(&self) -> Vec<NamedTensor> {
        let mut all = tensors(self.output);
        if let Some(map) = self.shown {
            let Planes { n, size, values } = &map.map;
            all.push(NamedTensor {
                name: format!("shown.{}.image_from_map", map.name),
                shape: vec![2, 3],
                values: rows(&map.image_from_map),
            });
            all.push(NamedTensor {
                name: format!("shown.{}", map.name),
                shape: vec![*n, size.height, size.width],
                values: values.to_vec(),
            });
        }
        all
    }
}

/// Returns all tensors of an output.
pub fn tensors(output: &PoseOutput) -> Vec<NamedTensor> {
    let mut all = Vec::new();
    let mut add = |name: String, shape: Vec<usize>, values: Vec<f32>| {
        all.push(NamedTensor {
            name,
            shape,
            values,
        });
    };
    let n_joints = output.skeleton.n_joints();
    let joints = output.poses.iter().flat_map(|p| &p.keypoints_raw);
    let values = joints.flat_map(|k| [k.x, k.y, k.score]).collect();
    let shape = vec![output.poses.len(), n_joints, 3];
    add("poses".to_owned(), shape, values);
    for (i, region) in output.regions.iter().enumerate() {
        let mut planes = |name: String, planes: &SharedPlanes, map: &Affine2| {
            let shape = vec![planes.n, planes.size.height, planes.size.width];
            add(format!("{name}.image_from_map"), vec![2, 3], rows(map));
            add(name, shape, planes.values.to_vec());
        };
        if region.heatmaps.n > 0 {
            let name = format!("region{i}.heatmaps");
            planes(name, &region.heatmaps, &region.image_from_heatmap);
        }
        if let Some(fields) = &region.fields {
            let name = format!("region{i}.paf");
            planes(name, &fields.planes, &fields.image_from_field);
        }
        for map in &region.attention {
            let name = format!("region{i}.{}", map.name);
            planes(name, &map.map, &map.image_from_map);
        }
        for layer in &region.query_key {
            let name = format!("region{i}.{}", layer.name);
            let n_tokens = layer.grid.area();
            let shape = vec![n_tokens, layer.queries.len() / n_tokens.max(1)];
            add(
                format!("{name}.image_from_map"),
                vec![2, 3],
                rows(&layer.image_from_map),
            );
            add(
                format!("{name}.queries"),
                shape.clone(),
                layer.queries.clone(),
            );
            add(format!("{name}.keys"), shape, layer.keys.clone());
        }
    }
    all
}

/// Returns the matrix of an affine map: the images of the unit vectors and of the origin.
fn rows(map: &Affine2) -> Vec<f32> {
    let zero = map.apply(Point::new(0.0, 0.0));
    let (x, y) = (
        map.apply(Point::new(1.0, 0.0)),
        map.apply(Point::new(0.0, 1.0)),
    );
    [
        [x.x - zero.x, y.x - zero.x, zero.x],
        [x.y - zero.y, y.y - zero.y, zero.y],
    ]
    .as_flattened()
    .iter()
    .map(|&v| v as f32)
    .collect()
}

/// Writes all tensors of an output into one safetensors file, atomically.
///
/// # Errors
/// When the file cannot be written.
pub fn write_safetensors(answer: &Answer<'_>, path: &Path) -> Result<()> {
    let all = answer.tensors();
    // The metadata of the format are strings: lists are written as JSON.
    let about = answer.about().into_iter().map(|(name, value)| match value {
        Value::String(text) => (name, Value::String(text)),
        other => (name, Value::String(other.to_string())),
    });
    let about = Value::Object(about.collect());
    let entries = all.iter().map(|tensor| TensorEntry {
        name: &tensor.name,
        dtype: "F32",
        shape: &tensor.shape,
        n_bytes: size_of_val(&tensor.values[..]),
    });
    let mut bytes = tensor_header(Some(about), entries);
    for tensor in &all {
        bytes.extend(little_endian(&tensor.values));
    }
    replace(path, &bytes)
}

/// Writes each tensor of an output as `NAME.npy` into a folder, which is created, and `about.json`;
/// returns the paths of the NumPy files.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write_npy(answer: &Answer<'_>, folder: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let about = format!("{:#}\n", Value::Object(answer.about()));
    replace(&folder.join("about.json"), about.as_bytes())?;
    let mut paths = Vec::new();
    for tensor in answer.tensors() {
        let path = folder.join(format!(
            "{}.npy",
            tensor.name.replace(['/', '\\', ':'], "_")
        ));
        replace(&path, &npy(&tensor))?;
        paths.push(path);
    }
    Ok(paths)
}

/// Encodes the NPY format, version 1.0 (NEP 1): magic, length of the header, header, values.
fn npy(tensor: &NamedTensor) -> Vec<u8> {
    // A tuple of one element ends with a comma, too.
    let sides: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
    let sides = sides.join(",");
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sides},), }}");
    // Values are aligned to 64 bytes, after a line feed.
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(little_endian(&tensor.values));
    bytes
}

fn little_endian(values: &[f32]) -> impl Iterator<Item = u8> {
    values.iter().flat_map(|v| v.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::{Frame, Pixels};
    use crate::geometry::Size;
    use crate::nn::kernels::Threads;
    use crate::output::{Direction, LimbFields, PeopleCount, QueryKey, RegionOutput, Timings};
    use crate::pose::{Keypoint, Pose};
    use crate::skeleton::Skeleton;

    fn output() -> PoseOutput {
        let grid = Size::new(2, 1);
        let planes = Planes {
            n: 1,
            size: Size::new(3, 2),
            values: (0..6).map(|i| i as f32 / 8.0).collect(),
        };
        let joint = Keypoint {
            x: 5.0,
            y: 7.0,
            score: 0.5,
        };
        PoseOutput {
            frame: Frame::new(3, 0.5, grid, Pixels::unpooled(vec![255; 8])),
            model: Arc::from("m"),
            skeleton: Skeleton::by_name("coco17").unwrap(),
            poses: vec![Pose::from_keypoints(vec![joint; 17])],
            regions: vec![RegionOutput {
                heatmaps: planes,
                image_from_heatmap: Affine2::IDENTITY,
                attention: Vec::new(),
                query_key: vec![QueryKey {
                    name: "layer0".to_owned(),
                    title: "self-attention, layer 0".to_owned(),
                    layer: 0,
                    heads: 1,
                    grid,
                    queries: vec![1.0, 2.0, 3.0, 4.0],
                    keys: vec![5.0, 6.0, 7.0, 8.0],
                    image_from_map: Affine2::IDENTITY,
                }],
                fields: Some(LimbFields {
                    planes: Planes {
                        n: 2,
                        size: grid,
                        values: vec![0.5, 0.25, -0.5, 0.75].into(),
                    },
                    skeleton: Skeleton::by_name("openpose18").unwrap(),
                    image_from_field: Affine2::IDENTITY,
                }),
                description: Vec::new(),
                track_id: None,
            }],
            timings: Timings::default(),
            people: PeopleCount::default(),
        }
    }

    fn answer(output: &PoseOutput) -> Answer<'_> {
        Answer {
            output,
            source: "dance.mp4",
            shown: None,
            joint: Some("l_wrist"),
            point: Some(Point::new(275.65, 197.96)),
        }
    }

    /// Fails when a tensor is missing, misnamed or has its dimensions in another order; when
    /// another reader cannot read the file, or the metadata are missing.
    #[test]
    fn safetensors_hold_every_tensor_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("view.safetensors");
        let output = output();
        let map = output.regions[0].query_key[0]
            .as_map(Direction::Dependency, 1, Some(0), &Threads::new(1).unwrap())
            .unwrap();
        let answer = Answer {
            shown: Some(&map),
            ..answer(&output)
        };
        write_safetensors(&answer, &path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut names = file.names();
        names.sort_unstable();
        let wanted = [
            "poses",
            "region0.heatmaps",
            "region0.heatmaps.image_from_map",
            "region0.layer0.image_from_map",
            "region0.layer0.keys",
            "region0.layer0.queries",
            "region0.paf",
            "region0.paf.image_from_map",
            "shown.layer0.dependency.head0",
            "shown.layer0.dependency.head0.image_from_map",
        ];
        assert_eq!(names, wanted);
        let tensor = |name: &str| {
            let view = file.tensor(name).unwrap();
            let values = view.data().as_chunks::<4>().0.iter();
            let values: Vec<f32> = values.map(|b| f32::from_le_bytes(*b)).collect();
            (view.shape().to_vec(), values)
        };
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let about = header.metadata().clone().unwrap();
        for (name, text) in [
            ("source", "dance.mp4"),
            ("frame", "3"),
            ("time_secs", "0.5"),
            ("shown", "layer0.dependency.head0"),
            ("joint", "l_wrist"),
        ] {
            assert_eq!(about[name], text, "{name}");
        }
        let joints: Vec<String> = serde_json::from_str(&about["joints"]).unwrap();
        assert_eq!((joints.len(), &*joints[0]), (17, "nose"));
        assert!(about["maps"].contains("self-attention, layer 0"));
        let shown = tensor("shown.layer0.dependency.head0");
        assert_eq!(shown, (vec![1, 1, 2], map.map.values.to_vec()));
        let eighths = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625];
        let heatmaps = (vec![1, 2, 3], eighths.to_vec());
        assert_eq!(tensor("region0.heatmaps"), heatmaps);
        assert!(about["limbs"].starts_with("[\"neck-r_hip\","));
        let fields = (vec![2, 1, 2], vec![0.5, 0.25, -0.5, 0.75]);
        assert_eq!(tensor("region0.paf"), fields);
        let keys = (vec![2, 2], vec![5.0, 6.0, 7.0, 8.0]);
        assert_eq!(tensor("region0.layer0.keys"), keys);
        let (shape, joints) = tensor("poses");
        assert_eq!(
            (shape, &joints[..3]),
            (vec![1, 17, 3], &[5.0, 7.0, 0.5][..])
        );
        let (shape, identity) = tensor("region0.heatmaps.image_from_map");
        let unit = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!((shape, identity), (vec![2, 3], unit));
    }

    /// Fails when NumPy would refuse the files or read other values. (The header is that of
    /// `numpy.save`, compared by hand.)
    #[test]
    fn npy_files_have_numpys_header() {
        let folder = tempfile::tempdir().unwrap();
        let output = output();
        let view = folder.path().join("view");
        let paths = write_npy(&answer(&output), &view).unwrap();
        let about = fs::read_to_string(view.join("about.json")).unwrap();
        let about: Value = serde_json::from_str(&about).unwrap();
        assert_eq!(about["joints"].as_array().unwrap().len(), 17);
        assert_eq!((&about["frame"], about.get("shown")), (&json!(3), None));
        assert_eq!(paths.len(), 8);
        let heatmaps = paths.iter().find(|p| p.ends_with("region0.heatmaps.npy"));
        let bytes = fs::read(heatmaps.unwrap()).unwrap();
        let text = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,2,3,), }";
        assert!(bytes.starts_with(text));
        assert_eq!((bytes.len(), bytes[127]), (128 + 6 * 4, b'\n'));
        assert_eq!(bytes[128 + 4..][..4], 0.125_f32.to_le_bytes());
    }
}
