//! Tests of foreign files: those that PyTorch wrote, and hostile ones.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::LazyLock;

use candle_core::Tensor;
use proptest::prelude::*;

use super::names::rename;
use super::pickle::{Pickle, Value};
use super::section::sections;
use super::storage::{Element, Storage, TensorRef};
use super::torch::{Store, open_old, open_zip, read_all};
use super::*;
use crate::test_golden;

const ZIP: &str = "checkpoint/tiny_zip.pth";
const OLD: &str = "checkpoint/tiny_legacy_nonzip.pth";
const TRAINING: &str = "checkpoint/tiny_zip_training_checkpoint.pth";

pub(super) fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(test_golden::path(name)).unwrap()
}

fn open(bytes: &[u8]) -> Result<(Vec<u8>, Store), String> {
    let file = &mut Cursor::new(bytes);
    if bytes.starts_with(zip::MAGIC) {
        open_zip(file, bytes.len() as u64)
    } else {
        open_old(file, bytes.len() as u64)
    }
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Returns path and tensors of the preferred dictionary that a pickle describes in the storages of
/// `bytes`.
fn tensors_of(bytes: &[u8], pickle: &[u8], store: &Store) -> Result<(String, Tensors), String> {
    let pickle = Pickle::run(pickle)?;
    let mut section = sections(&pickle)?.remove(0);
    section
        .tensors
        .retain(|name, t| !name.ends_with(COUNTER_SUFFIX) && store.holds(&t.storage));
    let tensors = read_all(&mut Cursor::new(bytes), store, &section.tensors)?;
    let values = |t: Tensor| {
        (
            t.dims().to_vec(),
            t.flatten_all().unwrap().to_vec1().unwrap(),
        )
    };
    let tensors = tensors.into_iter().map(|(name, t)| (name, values(t)));
    Ok((section.path, tensors.collect()))
}

const NAMES: [&str; 4] = [
    "bn1.weight",
    "conv1.weight",
    "final_layer.bias",
    "pos_embedding",
];

fn read(name: &str) -> (String, Tensors) {
    let bytes = bytes_of(name);
    let (pickle, store) = open(&bytes).unwrap();
    let (path, tensors) = tensors_of(&bytes, &pickle, &store).unwrap();
    let renamed = rename(tensors.keys(), |n| NAMES.contains(&n), NAMES.len());
    let tensor = |(to, from): (String, String)| (to, tensors[&from].clone());
    (path, renamed.from.into_iter().map(tensor).collect())
}

/// Fails when a PyTorch file is misread: a name with `module.` left on, a transposed tensor,
/// another section than the best. The three files hold the same tensors.
#[test]
fn the_files_of_pytorch_are_read_to_the_number() {
    let (path, tensors) = read(ZIP);
    assert_eq!(path, "");
    assert!(tensors.keys().eq(NAMES), "{:?}", tensors.keys());
    let (shape, conv) = &tensors["conv1.weight"];
    assert_eq!(shape, &[64, 3, 7, 7]);
    assert_eq!(conv[..2], [0.012878553941845894, -0.1214815005660057]);
    let sum: f64 = conv.iter().map(|v| f64::from(*v)).sum();
    assert!((sum - 0.6364383941890992).abs() < 1e-9, "{sum}");
    // Stored transposed: element (i, 0, k) is 6 k + i.
    let (shape, table) = &tensors["pos_embedding"];
    assert_eq!(shape, &[6, 1, 4]);
    let wanted = (0..6).flat_map(|i| (0..4).map(move |k| (6 * k + i) as f32));
    assert!(table.iter().copied().eq(wanted), "{table:?}");
    assert_eq!(read(OLD), (String::new(), tensors.clone()));
    assert_eq!(read(TRAINING), ("best_state_dict".to_owned(), tensors));
}

/// Fails when half, bfloat16 or double weights change in value, or counters become weights.
#[test]
fn every_kind_of_number_becomes_f32() {
    for (element, bytes, value) in [
        (Element::F16, vec![0x00, 0xc5], Some(-5.0)),
        (Element::Bf16, vec![0xa0, 0xc0], Some(-5.0)),
        (Element::F32, (-5.0f32).to_le_bytes().to_vec(), Some(-5.0)),
        (Element::F64, (-5.0f64).to_le_bytes().to_vec(), Some(-5.0)),
        (Element::Integer(8), vec![5, 0, 0, 0, 0, 0, 0, 0], None),
    ] {
        assert_eq!(bytes.len(), element.size());
        let storage = Storage {
            element,
            key: "0",
            len: 1,
        };
        let tensor = TensorRef::new(storage, 0, vec![1], vec![1]).unwrap();
        let read = tensor.read(&bytes).unwrap();
        let read = read.map(|t| t.to_vec1::<f32>().unwrap()[0]);
        assert_eq!(read, value, "{element:?}");
    }
}

/// Builds a pickle with `{"w": tensor}` from the opcodes that describe the tensor.
pub(super) fn tensor_pickle(offset: &[u8], shape: &[u8], strides: &[u8], len: &[u8]) -> Vec<u8> {
    let mut p = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    p.extend(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu");
    for part in [len, b"tQ", offset, shape, strides, b"\x89}tRs."] {
        p.extend(part);
    }
    p
}

/// Checks that every pickle is refused with its reason, in a short line.
fn assert_refused(cases: impl IntoIterator<Item = (&'static str, Vec<u8>, &'static str)>) {
    for (what, pickle, reason) in cases {
        let refusal = Pickle::run(&pickle).and_then(|p| sections(&p).map(|s| format!("{s:?}")));
        let refusal = refusal.expect_err(what);
        assert!(refusal.contains(reason), "{what}: {refusal}");
        assert!(
            refusal.len() < 400 && !refusal.contains(['\n', '\x1b']),
            "{what}: {refusal}"
        );
    }
}

/// Fails when a pickle can run a program or build a foreign class.
#[test]
fn pickled_programs_are_refused_by_name() {
    assert_refused([
        (
            "a call",
            b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R.".to_vec(),
            "posix.system",
        ),
        (
            "eval",
            b"\x80\x02c__builtin__\neval\n.".to_vec(),
            "__builtin__.eval",
        ),
        (
            "a program of NumPy's tests",
            b"\x80\x02cnumpy.testing._private.utils\nrunstring\n)R.".to_vec(),
            "numpy.testing._private.utils.runstring",
        ),
        (
            "a call by protocol 4",
            b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x02ls\x85R."
                .to_vec(),
            "os.system",
        ),
        (
            "a call among data",
            b"\x80\x02}(X\x01\0\0\0xcos\nsystem\nX\x02\0\0\0ls\x85Ru.".to_vec(),
            "os.system",
        ),
        (
            "an attribute of a foreign module",
            b"\x80\x02c__builtin__\ngetattr\n(cos\npath\nX\x01\0\0\0xtR.".to_vec(),
            "os.path",
        ),
        (
            "a foreign object",
            b"\x80\x02cmy.net\nModel\n)\x81}b.".to_vec(),
            "my.net.Model",
        ),
        (
            "a foreign object of old",
            b"\x80\x02ccopy_reg\n_reconstructor\n(cmy\nNet\nc__builtin__\nobject\nNtR.".to_vec(),
            "my.Net",
        ),
        (
            "a state for a foreign class",
            b"\x80\x02cmy.net\nModel\n}b.".to_vec(),
            "my.net.Model",
        ),
        (
            "a call of data",
            b"\x80\x02cdatetime\ndate\n)R)R.".to_vec(),
            "not a function",
        ),
        (
            "escapes",
            b"\x80\x02ca\x1b[2J\nb\n.".to_vec(),
            "a\\u{1b}[2J.b",
        ),
        (
            "an unknown opcode",
            b"\x80\x02ccollections\nOrderedDict\n)\x97.".to_vec(),
            "opcode 0x97",
        ),
        (
            "a call of a value",
            b"\x80\x02K\x01)R.".to_vec(),
            "not a function",
        ),
    ]);
}

/// Fails when a pickle takes memory or time out of proportion to its length, or its damage is not
/// named.
#[test]
fn huge_and_damaged_pickles_are_refused() {
    // Each list contains the previous one twice: 2^20 lists if copied.
    let mut doubling = b"\x80\x02]q\0".to_vec();
    for i in 0..20 {
        doubling.extend([b']', b'(', b'h', i, b'h', i, b'e', b'q', i + 1]);
    }
    doubling.push(b'.');
    let flat = |opcode: u8, n: usize| [b"\x80\x02".as_slice(), &vec![opcode; n], b"."].concat();
    assert_refused([
        (
            "a long text",
            b"\x80\x02X\xff\xff\xff\xffabc.".to_vec(),
            "ends in the middle",
        ),
        (
            "nothing but a number",
            b"\x80\x02K\x01.".to_vec(),
            "it is a number",
        ),
        (
            "no tensors",
            b"\x80\x02}(X\x01\0\0\0aK\x01X\x01\0\0\0b]u.".to_vec(),
            "its keys are a (a number), b (a list)",
        ),
        (
            "a foreign key",
            b"\x80\x02(X\x04\0\0\0filetQ.".to_vec(),
            "plain storage",
        ),
        ("a new protocol", b"\x80\x06N.".to_vec(), "protocol 6"),
        ("depth", flat(b'(', 1 << 20), "far larger"),
        ("a full stack", flat(b'N', 2 << 20), "far larger"),
        ("many parts", flat(b']', 2 << 20), "far larger"),
        ("doubling", doubling, "no dictionary of tensors"),
        (
            "a self-made circle",
            b"\x80\x02}q\0X\x01\0\0\0wh\0s.".to_vec(),
            "no dictionary",
        ),
        (
            "no value",
            b"\x80\x02.".to_vec(),
            "contains an invalid pickle",
        ),
        (
            "a lone item",
            b"\x80\x02}(K\x01u.".to_vec(),
            "contains an invalid pickle",
        ),
    ]);
}

/// Fails when a tensor can reach outside its storage.
#[test]
fn tensors_outside_their_storage_are_refused() {
    let huge = b"\x8a\x08\0\0\0\0\x01\0\0\0".as_slice();
    let negative = b"J\xff\xff\xff\xff".as_slice();
    let tensor = tensor_pickle;
    assert_refused([
        (
            "a long number as a size",
            tensor(
                b"K\0",
                &[b"\x8a\x09".as_slice(), &[1; 9], b"\x85"].concat(),
                b"K\x01\x85",
                b"K\x04",
            ),
            "contains an invalid pickle",
        ),
        (
            "4 G elements",
            tensor(b"K\0", &[huge, b"\x85"].concat(), b"K\x01\x85", b"K\x04"),
            "leaves its storage",
        ),
        (
            "an overflow",
            tensor(
                b"K\0",
                &[huge, huge, huge, b"\x87"].concat(),
                b"K\x01K\x01K\x01\x87",
                b"K\x04",
            ),
            "leaves its storage",
        ),
        (
            "a wide stride",
            tensor(b"K\0", b"K\x02\x85", &[huge, b"\x85"].concat(), b"K\x04"),
            "leaves its storage",
        ),
        (
            "a stride of zero",
            tensor(b"K\0", b"K\x64\x85", b"K\0\x85", b"K\x04"),
            "leaves its storage",
        ),
        (
            "a negative stride",
            tensor(
                b"K\x01",
                b"K\x02\x85",
                &[negative, b"\x85"].concat(),
                b"K\x04",
            ),
            "size of -1",
        ),
        (
            "a negative offset",
            tensor(negative, b"K\x01\x85", b"K\x01\x85", b"K\x04"),
            "size of -1",
        ),
        (
            "an offset outside",
            tensor(b"K\x04", b"K\x01\x85", b"K\x01\x85", b"K\x04"),
            "leaves its storage",
        ),
        (
            "ranks that differ",
            tensor(b"K\0", b"K\x01\x85", b")", b"K\x04"),
            "strides",
        ),
    ]);
    let sound = tensor(b"K\x01", b"K\x03\x85", b"K\x01\x85", b"K\x04");
    assert!(
        Pickle::run(&sound)
            .and_then(|p| sections(&p).map(drop))
            .is_ok()
    );
}

/// Fails when integers are read with a wrong sign or width: shapes would be wrong.
#[test]
fn numbers_of_every_width_are_read() {
    for (pickle, value) in [
        (b"K\xff.".as_slice(), 255),
        (b"M\xff\xff.", 65535),
        (b"J\xfe\xff\xff\xff.", -2),
        (b"\x8a\0.", 0),
        (b"\x8a\x01\xff.", -1),
        (b"\x8a\x02\xff\0.", 255),
        (b"\x8a\x08\0\0\0\0\0\0\0\x80.", i64::MIN),
    ] {
        assert_eq!(Pickle::run(pickle).unwrap().root, Value::Int(value));
    }
}

/// Fails when a truncated or damaged download is accepted as complete.
#[test]
fn cut_and_damaged_archives_are_refused() {
    let whole = bytes_of(ZIP);
    let outcome = |bytes: &[u8]| {
        let (pickle, store) = open(bytes)?;
        tensors_of(bytes, &pickle, &store).map(|(_, tensors)| tensors.len())
    };
    assert_eq!(outcome(&whole), Ok(4));
    for n in (4..whole.len()).step_by(499).chain([whole.len() - 1]) {
        assert!(outcome(&whole[..n]).is_err(), "cut at {n}");
    }
    let old = bytes_of(OLD);
    for n in (16..old.len()).step_by(499).chain([old.len() - 1]) {
        assert!(outcome(&old[..n]).is_err(), "cut at {n}");
    }
    let patched = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        outcome(&bytes).unwrap_err()
    };
    // The entry of data.pkl is the first of the table.
    let table = whole.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    assert!(patched(20_000, whole[20_000] ^ 1).contains("checksum"));
    assert!(patched(table + 10, 12).contains("compressed"));
    assert!(patched(table + 10, 8).contains("damaged"));
    assert!(patched(table + 8, whole[table + 8] | 1).contains("encrypted"));
    assert!(patched(table + 27, 0x7f).contains("does not fit"));
}

/// Fails when archives with 64-bit fields, which PyTorch writes for large files, are not read.
#[test]
fn archives_with_64_bit_fields_are_read() {
    let whole = bytes_of(ZIP);
    let end = whole.len() - 22;
    assert!(whole[end..].starts_with(b"PK\x05\x06"), "no comment");
    let [size, start] = [12, 16].map(|at| &whole[end + at..end + at + 4]);
    let record_at = end as u64;
    let mut bytes = whole[..end].to_vec();
    bytes.extend(b"PK\x06\x06");
    bytes.extend([0; 36]);
    for field in [size, start] {
        bytes.extend(field);
        bytes.extend([0; 4]);
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(record_at.to_le_bytes());
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(&whole[end..end + 12]);
    bytes.extend([0xff; 8]);
    bytes.extend([0, 0]);
    let (pickle, store) = open(&bytes).unwrap();
    assert_eq!(tensors_of(&bytes, &pickle, &store).unwrap(), read(ZIP));
}

/// Pickles of the small test files, in which damage is not caught by a checksum.
static PICKLES: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| {
    let pickle = |name| {
        let bytes = bytes_of(name);
        let pickle = open(&bytes).unwrap().0;
        (bytes, pickle)
    };
    [ZIP, OLD, TRAINING].map(pickle).into()
});

proptest! {
    /// Fails when damage to a pickle, or a hostile one, causes a panic, or yields more values than
    /// the file has.
    #[test]
    fn damaged_pickles_never_panic(
        which in 0..3usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (bytes, pickle) = &PICKLES[which];
        let store = open(bytes).unwrap().1;
        let mut pickle = pickle.clone();
        for (place, byte) in changes {
            let at = place.index(pickle.len());
            pickle[at] = byte;
        }
        if let Ok((_, tensors)) = tensors_of(bytes, &pickle, &store) {
            for (shape, values) in tensors.values() {
                prop_assert_eq!(shape.iter().product::<usize>(), values.len());
                prop_assert!(values.len() <= bytes.len());
            }
        }
    }

    /// Fails when damage to the container format causes a panic or a hang.
    #[test]
    fn damaged_containers_never_panic(
        which in 0..3usize,
        from_the_end in any::<bool>(),
        changes in prop::collection::vec((0..1300usize, any::<u8>()), 1..6),
    ) {
        let mut bytes = PICKLES[which].0.clone();
        for (place, byte) in changes {
            let at = if from_the_end { bytes.len() - 1 - place } else { place };
            bytes[at] = byte;
        }
        if let Ok((pickle, store)) = open(&bytes) {
            drop(tensors_of(&bytes, &pickle, &store));
        }
    }

    /// Fails when bytes that are not a pickle cause a panic.
    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(Pickle::run(&noise).map(|p| sections(&p).map(drop)));
        drop(zip::contents(&mut Cursor::new(&noise), noise.len() as u64));
    }
}
