//! Writes files like `torch.save`, so that imports of whole networks are tested without storing
//! megabytes: a protocol 2 pickle in a zip archive of uncompressed entries.

use std::io::Write;

/// Returns an archive of `{name: tensor}` with f32 tensors, every name after `prefix`.
pub fn checkpoint(prefix: &str, tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let pickle = [b"\x80\x02", ordered(prefix, tensors).as_slice(), b"."].concat();
    archive(pickle, tensors)
}

/// Returns an archive as saved by a training loop: the tensors under `section`, next to other
/// values such as a NumPy scalar.
pub fn training(
    section: &str,
    prefix: &str,
    tensors: &[(String, Vec<usize>, Vec<f32>)],
) -> Vec<u8> {
    let mut p = b"\x80\x02}(".to_vec();
    text(&mut p, "perf");
    p.extend(b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n");
    text(&mut p, "f8");
    p.extend(b"\x89\x88\x87R(K\x03");
    text(&mut p, "<");
    p.extend(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbc_codecs\nencode\n");
    text(&mut p, "\u{b8}\u{1e}\u{85}\u{eb}Q\u{b8}\u{e6}?");
    text(&mut p, "latin1");
    p.extend(b"\x86RtR");
    text(&mut p, "epoch");
    number(&mut p, 3);
    text(&mut p, "optimizer");
    p.extend(b"}");
    text(&mut p, section);
    p.extend(ordered(prefix, tensors));
    p.extend(b"u.");
    archive(p, tensors)
}

/// Returns an archive of `{section: {name: tensor}}`.
pub fn wrapped(section: &str, tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let mut p = b"\x80\x02}(".to_vec();
    text(&mut p, section);
    p.extend(ordered("", tensors));
    p.extend(b"u.");
    archive(p, tensors)
}

fn archive(pickle: Vec<u8>, tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let mut entries = vec![("archive/data.pkl".to_owned(), pickle)];
    entries.push(("archive/byteorder".to_owned(), b"little".to_vec()));
    for (i, (_, _, values)) in tensors.iter().enumerate() {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        entries.push((format!("archive/data/{i}"), bytes));
    }
    zip(&entries)
}

/// Returns an archive whose pickle calls `module.name(argument)`.
pub fn calling(module: &str, name: &str, argument: &str) -> Vec<u8> {
    let mut p = format!("\u{2}c{module}\n{name}\n").into_bytes();
    p.insert(0, 0x80);
    text(&mut p, argument);
    p.extend(b"\x85R.");
    zip(&[("archive/data.pkl".to_owned(), p)])
}

/// Pickles an ordered dictionary of tensors.
fn ordered(prefix: &str, tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let mut p = b"ccollections\nOrderedDict\n)R(".to_vec();
    for (i, (name, shape, values)) in tensors.iter().enumerate() {
        text(&mut p, &format!("{prefix}{name}"));
        p.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut p, "storage");
        p.extend(b"ctorch\nFloatStorage\n");
        text(&mut p, &i.to_string());
        text(&mut p, "cpu");
        number(&mut p, values.len());
        p.extend(b"tQK\0(");
        for side in shape {
            number(&mut p, *side);
        }
        p.extend(b"t(");
        for axis in 0..shape.len() {
            number(&mut p, shape[axis + 1..].iter().product());
        }
        p.extend(b"t\x89ccollections\nOrderedDict\n)RtR");
    }
    p.push(b'u');
    p
}

fn text(p: &mut Vec<u8>, text: &str) {
    p.push(b'X');
    p.extend((text.len() as u32).to_le_bytes());
    p.extend(text.as_bytes());
}

fn number(p: &mut Vec<u8>, value: usize) {
    p.push(b'J');
    p.extend((value as u32).to_le_bytes());
}

/// Returns a zip archive of uncompressed entries.
fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in entries {
        out.start_file(name, stored).expect("a zip entry");
        out.write_all(bytes).expect("room in memory");
    }
    out.finish().expect("a zip archive").into_inner()
}
