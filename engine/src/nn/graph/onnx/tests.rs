//! Tests of the file format; `tests/it/onnx.rs` runs exported networks in ONNX Runtime.

use super::message::{Attribute, Elements, Message, attribute, tensor};

/// Fails when integers, lengths or wire types are encoded differently from protocol buffers.
#[test]
fn fields_are_those_of_protocol_buffers() {
    let bytes = |message: Message| message.into_bytes();
    // The examples of the format's documentation.
    assert_eq!(bytes(Message::new().int(1, 150)), [0x08, 0x96, 0x01]);
    let text = Message::new().text(2, "testing");
    assert_eq!(bytes(text), *b"\x12\x07testing");
    let inner = Message::new().int(1, 150);
    assert_eq!(
        bytes(Message::new().message(3, &inner)),
        [0x1a, 3, 8, 0x96, 1]
    );
    // Negative numbers take ten bytes, field numbers above 15 two for the tag.
    let minus = bytes(Message::new().int(20, -1));
    assert_eq!(minus[..2], [0xa0, 0x01]);
    assert_eq!(minus[2..], [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    assert_eq!(
        bytes(Message::new().float(2, 1.0)),
        [0x15, 0, 0, 0x80, 0x3f]
    );
}

/// Fails when a tensor or attribute has other field numbers or types than `onnx.proto` says.
#[test]
fn tensors_and_attributes_have_their_fields() {
    let got = tensor("w", &[2, 1], Elements::Float(&[1.0, -2.0])).into_bytes();
    let mut want = vec![0x08, 2, 0x08, 1, 0x10, 1, 0x42, 1, b'w', 0x4a, 8];
    want.extend(1.0_f32.to_le_bytes());
    want.extend((-2.0_f32).to_le_bytes());
    assert_eq!(got, want);
    let got = attribute("pads", &Attribute::Ints(&[1, 2])).into_bytes();
    let want = [&[0x0a, 4][..], b"pads", &[0x40, 1, 0x40, 2, 0xa0, 1, 7]].concat();
    assert_eq!(got, want);
}
