//! Tests of networks on regions.

use super::*;
use crate::frame::Pixels;
use crate::geometry::BBox;
use crate::model::model;

/// Fails when regions of a batch are mixed up, or differ from single passes in joints, maps or
/// descriptions.
#[test]
fn a_batch_equals_single_passes() {
    let options = NetworkOptions {
        device: DeviceSpec::Cpu,
        threads: 1,
        ..NetworkOptions::bundled(model("sfm").unwrap())
    };
    let mut network = Network::load(&options).unwrap();
    let size = Size::new(64, 48);
    let pixel = |i: usize| (i.wrapping_mul(0x9e37_79b9) >> 11) as u8;
    let rgba = (0..4 * size.area()).map(pixel).collect();
    let frame = Frame::new(0, 0.0, size, Pixels::unpooled(rgba));
    let rois = [(10.0, 20.0), (30.0, 12.0), (0.0, 48.0)]
        .map(|(x, side)| network.input.roi(BBox::new(x, 0.0, side, side)));
    let everything = RequestedMaps {
        heatmaps: true,
        attention: true,
        fields: true,
        description: true,
    };
    let mut timings = Timings::default();
    let mut run = |rois: &[Roi]| {
        network
            .infer_regions(&frame, rois, everything, &mut timings)
            .unwrap()
    };
    let batch = run(&rois);
    assert_eq!(batch.len(), rois.len());
    for (roi, of_batch) in rois.iter().zip(&batch) {
        let alone = run(&[*roi]).pop().unwrap();
        assert_eq!(alone.people, of_batch.people);
        assert_eq!(alone.region, of_batch.region);
    }
    assert_ne!(batch[0].people, batch[1].people);
    assert!(batch.iter().all(|result| result.region.fields.is_none()));
    assert!(run(&[]).is_empty());
}

/// Fails when the limb fields are other channels of the network than its affinity fields, lie
/// elsewhere than the heatmaps, or are copied although nobody needs them.
#[test]
fn limb_fields_are_the_affinity_fields() {
    let spec = model("ssa-sfm-2").unwrap();
    let shapes = spec.shapes(&spec.card().unwrap().build_options().unwrap());
    let weights = Weights::random(&shapes.unwrap(), 1).unwrap();
    let options = NetworkOptions {
        device: DeviceSpec::Cpu,
        threads: 1,
        ..NetworkOptions::bundled(spec)
    };
    let mut network = Network::with_weights(&options, &weights).unwrap();
    let size = Size::new(64, 48);
    let rgba = (0..4 * size.area()).map(|i| (i * 7 % 251) as u8).collect();
    let frame = Frame::new(0, 0.0, size, Pixels::unpooled(rgba));
    let roi = Roi::whole(size, network.input.size.aspect());
    let mut region = |fields| {
        let requested = RequestedMaps {
            fields,
            heatmaps: true,
            ..RequestedMaps::default()
        };
        let mut timings = Timings::default();
        let result = network.infer_region(&frame, &roi, requested, &mut timings);
        result.unwrap().region
    };
    assert_eq!(region(false).fields, None);
    let found = region(true);
    let fields = found.fields.unwrap();
    assert_eq!(fields.image_from_field, found.image_from_heatmap);
    assert_eq!(fields.planes.size, found.heatmaps.size);
    let input = network.crop(&frame, &roi, &mut Timings::default());
    let maps = network.forward(&input.values).unwrap();
    let paf = network.prepared.named("paf").unwrap();
    let paf = network.prepared.planes(paf, 0).unwrap();
    assert_eq!((fields.planes.n, maps.n), (38, 19 + 38 + 36));
    assert_eq!(fields.planes.values[..], paf.values[..]);
    assert_eq!(fields.of_limb(18).unwrap()[1], paf.plane(37));
    assert_eq!(fields.of_limb(19), None);
}
