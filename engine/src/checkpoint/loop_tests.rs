//! Tests of checkpoints with the additional data of training loops, and of repacked archives.

use std::io::Cursor;

use super::pickle::Pickle;
use super::section::sections;
use super::tests::{bytes_of, tensor_pickle};
use super::zip;

/// Fails when data that training loops store next to the weights (NumPy scalars and arrays,
/// options, dates, paths, counters, generator states) is refused in some pickle protocol. The files
/// were made by Python 3 and NumPy 2; those of NumPy 1 differ in the name of a module.
#[test]
fn data_of_a_training_loop_are_data() {
    for protocol in 2..=5 {
        let bytes = bytes_of(&format!("checkpoint/loop_protocol{protocol}.pkl"));
        let mut forms = vec![bytes.clone()];
        // From protocol 4 on, names are preceded by their lengths.
        if protocol < 4 {
            forms.push(replaced(&bytes, b"numpy._core.", b"numpy.core."));
        }
        for bytes in forms {
            let pickle = Pickle::run(&bytes).unwrap_or_else(|e| panic!("{protocol}: {e}"));
            let sections = sections(&pickle).unwrap();
            assert_eq!(sections[0].path, "state_dict");
            assert!(
                sections[0]
                    .tensors
                    .keys()
                    .eq(["model.conv.bias", "model.conv.weight"])
            );
            let paths: Vec<_> = sections.iter().map(|s| s.path.as_str()).collect();
            assert!(paths.contains(&"optimizer.state.0"), "{paths:?}");
        }
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(from) {
            out.extend(to);
            at += from.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// Fails when weights under an unusual key are missed, or other weights are preferred to them.
#[test]
fn the_network_is_found_wherever_it_lies() {
    let tensor = tensor_pickle(b"K\x01", b"K\x03\x85", b"K\x01\x85", b"K\x04");
    // `{"w": tensor}` without protocol and stop opcode.
    let network = &tensor[2..tensor.len() - 1];
    let text = |text: &str| {
        let mut bytes = vec![0x8c, text.len() as u8];
        bytes.extend(text.as_bytes());
        bytes
    };
    let dict = |entries: &[(&str, &[u8])]| {
        let mut bytes = b"}(".to_vec();
        for (key, value) in entries {
            bytes.extend(text(key));
            bytes.extend(*value);
        }
        bytes.push(b'u');
        bytes
    };
    let paths = |value: &[u8]| {
        let bytes = [b"\x80\x04", value, b"."].concat();
        let pickle = Pickle::run(&bytes).unwrap();
        let sections = sections(&pickle).unwrap();
        sections.into_iter().map(|s| s.path).collect::<Vec<_>>()
    };
    let number = b"K\x01".as_slice();
    assert_eq!(
        paths(&dict(&[("epoch", number), ("net", network)])),
        ["net"]
    );
    let two = dict(&[
        ("ema_state_dict", network),
        ("zoo", network),
        ("state_dict", network),
    ]);
    assert_eq!(
        paths(&dict(&[("a", number), ("b", &two)])),
        ["b.state_dict", "b.zoo", "b.ema_state_dict", "b"]
    );
    let listed = [b"](".as_slice(), number, network, b"e"].concat();
    assert_eq!(
        paths(&dict(&[("models", &listed), ("n", number)])),
        ["models.1"]
    );
    // A tree of modules may be one network, and so may each of its parts.
    let tree = dict(&[("stem", network), ("head", network)]);
    assert_eq!(paths(&tree), ["stem", "head", ""]);
}

/// Fails when an archive repacked by another program is refused, or a small one can claim unlimited
/// memory.
#[test]
fn deflated_entries_are_read_within_bounds() {
    let deflated = |size: u32, bytes: &[u8]| {
        use std::io::Write;
        let mut packed =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(bytes).unwrap();
        let packed = packed.finish().unwrap();
        let mut head = b"\x14\0\0\0\x08\0\0\0\0\0".to_vec();
        head.extend(zip::crc32(bytes).to_le_bytes());
        head.extend((packed.len() as u32).to_le_bytes());
        head.extend(size.to_le_bytes());
        head.extend(b"\x01\0\0\0");
        let mut file = [b"PK\x03\x04".as_slice(), &head, b"e", &packed].concat();
        let start = file.len() as u32;
        file.extend([b"PK\x01\x02\x14\0".as_slice(), &head, &[0; 14], b"e"].concat());
        let size = file.len() as u32 - start;
        file.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        file.extend(size.to_le_bytes());
        file.extend(start.to_le_bytes());
        file.extend([0, 0]);
        let mut cursor = Cursor::new(&file);
        let entries = zip::contents(&mut cursor, file.len() as u64)?;
        zip::read(&mut cursor, "e", &entries["e"])
    };
    let text = b"weights, weights and more weights".repeat(9);
    assert_eq!(deflated(text.len() as u32, &text), Ok(text.clone()));
    assert!(deflated(text.len() as u32 - 1, &text).is_err());
    assert!(deflated(text.len() as u32 + 1, &text).is_err());
    let reason = deflated(1 << 30, &text).unwrap_err();
    assert!(reason.contains("grows"), "{reason}");
}
