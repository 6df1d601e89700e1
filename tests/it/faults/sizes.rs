//! Images of every size, from empty to the largest.

use crate::cli::Workdir;

/// Returns a PNG of a single grey level, which compresses to almost nothing.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::GrayImage::from_pixel(width, height, image::Luma([90]));
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// Returns a valid PNG whose header is changed to this size.
fn declaring(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(4, 4);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Fails when an image without pixels, or one that only declares a large size, causes a panic, is
/// accepted, or allocates the declared size.
#[test]
fn pictures_that_cannot_be_are_named_in_one_line() {
    let workdir = Workdir::new();
    for (i, [w, h]) in [
        [0, 0],
        [0, 5],
        [5, 0],
        [16_385, 4],
        [4, 16_385],
        [0x7FFF_FFFF, 0x7FFF_FFFF],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{i}.png");
        workdir.write(&name, declaring(w, h));
        let complaint = workdir.complaint(&format!("run --input {name} --write-json out.jsonl"));
        assert!(complaint.contains(&name), "{w}x{h}: {complaint}");
    }
}

/// Fails when the smallest or most elongated images crash the network, the recording or the
/// exports.
#[test]
fn pictures_of_extreme_shapes_are_read() {
    let workdir = Workdir::new();
    for [w, h] in [[1, 1], [1, 16_384], [16_384, 1], [2, 3]] {
        workdir.write("a.png", png(w, h));
        workdir.succeed("run --input a.png --write-json out.jsonl --write-csv out.csv");
        let lines = workdir.json_lines("out.jsonl");
        assert_eq!((lines.len(), &lines[0]["width"]), (1, &w.into()));
    }
}

/// Fails when the largest accepted image cannot be read. This needs gigabytes: run it with
/// `--ignored`.
#[test]
#[ignore = "takes 3 GB of memory"]
fn the_largest_picture_is_read() {
    let workdir = Workdir::new();
    workdir.write("a.png", png(16_384, 16_384));
    workdir.succeed("run --input a.png --write-json out.jsonl");
    assert_eq!(workdir.json_lines("out.jsonl")[0]["height"], 16_384);
}
