//! Functions and classes that a pickle may use, and the kind of value they produce.
//!
//! None of them is ever called or loaded: a name only selects the plain value that stands for the
//! result.

use super::super::storage::Element;

/// Kind of result of a function or class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::checkpoint) enum Global {
    /// A dictionary.
    Mapping,
    /// A list, set or tuple.
    Sequence,
    /// An object with attributes.
    Object,
    /// A value that the import ignores.
    Data,
    /// An attribute of a known class: methods stored with NumPy data.
    Attribute,
    /// An object of the class that is its first argument.
    Reconstructor,
    /// A tensor from storage, offset, shape and strides.
    RebuildTensor,
    /// A parameter from a tensor.
    RebuildParameter,
    /// The result of applying the function in the first argument to the third argument.
    RebuildFromType,
    /// The shape of a tensor.
    Size,
    /// A class of storages.
    Storage(Element),
}

/// Dictionary classes.
const MAPPINGS: &[(&str, &str)] = &[
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("collections", "Counter"),
    ("builtins", "dict"),
    ("__builtin__", "dict"),
    ("easydict", "EasyDict"),
    ("munch", "Munch"),
    ("box.box", "Box"),
    ("addict.addict", "Dict"),
    ("yacs.config", "CfgNode"),
    ("fvcore.common.config", "CfgNode"),
    ("detectron2.config.config", "CfgNode"),
    ("mmcv.utils.config", "ConfigDict"),
    ("mmengine.config.config", "ConfigDict"),
    ("pytorch_lightning.utilities.parsing", "AttributeDict"),
    ("lightning.pytorch.utilities.parsing", "AttributeDict"),
    ("lightning_fabric.utilities.data", "AttributeDict"),
    ("lightning.fabric.utilities.data", "AttributeDict"),
];

const OBJECTS: &[(&str, &str)] = &[
    ("argparse", "Namespace"),
    ("types", "SimpleNamespace"),
    ("builtins", "object"),
    ("__builtin__", "object"),
    ("ml_collections.config_dict.config_dict", "ConfigDict"),
];

/// Packages of training loops whose classes hold their state.
const LOOPS: &[&str] = &[
    "pytorch_lightning.",
    "lightning.",
    "lightning_fabric.",
    "mmengine.",
    "mmcv.",
    "omegaconf.",
    "torch.optim.",
];

/// Modules and their names that create plain data. NumPy's moved in version 2.
const DATA: &[(&str, &[&str])] = &[
    ("numpy.core.multiarray", &["scalar", "_reconstruct"]),
    ("numpy._core.multiarray", &["scalar", "_reconstruct"]),
    ("numpy.core.numeric", &["_frombuffer"]),
    ("numpy._core.numeric", &["_frombuffer"]),
    (
        "numpy",
        &[
            "dtype",
            "ndarray",
            "bool_",
            "bool",
            "float16",
            "float32",
            "float64",
            "longdouble",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "complex64",
            "complex128",
            "str_",
            "bytes_",
            "min",
            "max",
            "mean",
        ],
    ),
    (
        "numpy.random._pickle",
        &[
            "__randomstate_ctor",
            "__generator_ctor",
            "__bit_generator_ctor",
        ],
    ),
    ("numpy.random._mt19937", &["MT19937"]),
    ("numpy.random._pcg64", &["PCG64"]),
    (
        "datetime",
        &["datetime", "date", "time", "timedelta", "timezone"],
    ),
    ("uuid", &["UUID"]),
    ("decimal", &["Decimal"]),
    ("fractions", &["Fraction"]),
    ("pathlib", PATHS),
    ("pathlib._local", PATHS),
    ("_codecs", &["encode"]),
    ("builtins", BUILTINS),
    ("__builtin__", BUILTINS),
    (
        "torch",
        &[
            "device",
            "float",
            "float16",
            "float32",
            "float64",
            "double",
            "half",
            "bfloat16",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "bool",
            "long",
            "int",
            "short",
            "complex64",
            "complex128",
            "strided",
            "contiguous_format",
            "channels_last",
            "preserve_format",
        ],
    ),
    ("torch.serialization", &["_get_layout"]),
];

const PATHS: &[&str] = &[
    "Path",
    "PosixPath",
    "WindowsPath",
    "PurePath",
    "PurePosixPath",
    "PureWindowsPath",
];

const BUILTINS: &[&str] = &[
    "complex",
    "slice",
    "range",
    "xrange",
    "bytes",
    "bytearray",
    "int",
    "long",
    "float",
    "str",
    "unicode",
    "bool",
];

const SEQUENCES: &[&str] = &["list", "tuple", "set", "frozenset"];

impl Global {
    /// Looks up `module.name`; `None` if it is unknown.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("torch", "Size") => return Some(Self::Size),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => {
                return Some(Self::RebuildTensor);
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                return Some(Self::RebuildParameter);
            }
            ("torch._tensor", "_rebuild_from_type_v2") => return Some(Self::RebuildFromType),
            ("torch" | "torch.cuda", storage) if Element::of_storage(storage).is_some() => {
                return Element::of_storage(storage).map(Self::Storage);
            }
            ("builtins" | "__builtin__", "getattr") => return Some(Self::Attribute),
            ("copyreg" | "copy_reg", "_reconstructor") => return Some(Self::Reconstructor),
            ("collections", "deque") => return Some(Self::Sequence),
            ("builtins" | "__builtin__", name) if SEQUENCES.contains(&name) => {
                return Some(Self::Sequence);
            }
            _ => {}
        }
        let is_class = name.starts_with(|c: char| c.is_ascii_uppercase());
        let is_data = |(known, names): &(&str, &[&str])| *known == module && names.contains(&name);
        if MAPPINGS.contains(&(module, name)) {
            Some(Self::Mapping)
        } else if OBJECTS.contains(&(module, name))
            || is_class && LOOPS.iter().any(|package| module.starts_with(package))
        {
            Some(Self::Object)
        } else if DATA.iter().any(is_data) || module == "numpy.dtypes" && is_class {
            Some(Self::Data)
        } else {
            None
        }
    }
}
