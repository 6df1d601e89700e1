//! Limb fields of the network that finds people.

use super::*;
use crate::device::DeviceSpec;
use crate::frame::Pixels;
use crate::geometry::Size;

/// Fails when the combination has no limb fields in a frame in which the finder was not due, has
/// them although nobody needs them, or finds other poses when they are requested.
#[test]
fn the_limb_fields_are_those_of_the_finder() {
    let network = || {
        let options = NetworkOptions {
            device: DeviceSpec::Cpu,
            threads: 1,
            ..NetworkOptions::bundled(model("sfm").unwrap())
        };
        Network::load(&options).unwrap()
    };
    let size = Size::new(96, 64);
    let frame = |i: u64| {
        let rgba = (0..4 * size.area())
            .map(|at| (at * 7 % 251) as u8)
            .collect();
        Frame::new(i, i as f64 / 100.0, size, Pixels::unpooled(rgba))
    };
    let fields = RequestedMaps {
        fields: true,
        ..RequestedMaps::default()
    };
    let mut with = Several::new(network(), 2, false).unwrap();
    let mut without = Several::new(network(), 2, false).unwrap();
    for i in 0..3 {
        let found = with.infer(&frame(i), fields).unwrap();
        let skeleton = found.limb_fields().unwrap().skeleton;
        assert_eq!(skeleton, with.finder.skeleton());
        let plain = without.infer(&frame(i), RequestedMaps::default()).unwrap();
        assert!(plain.limb_fields().is_none());
        assert_eq!((plain.poses, plain.people), (found.poses, found.people));
    }
    assert!(
        with.inspect(&frame(9), &[], fields)
            .unwrap()
            .limb_fields()
            .is_some()
    );
}
