//! Format of a stream: single or multi-planar, its buffers and colours.

use v4l::v4l_sys::v4l2_format;

use crate::source::colour::{Colour, ColourHint};

/// Maximum number of planes in the kernel's interface (`VIDEO_MAX_PLANES`).
pub(super) const MAX_PLANES: usize = 8;

// Constants of linux/videodev2.h.
pub(super) const MEMORY_MMAP: u32 = 1;
const TYPE_CAPTURE: u32 = 1;
const TYPE_CAPTURE_MPLANE: u32 = 9;
const COLORSPACE_SMPTE240M: u32 = 2;
const COLORSPACE_REC709: u32 = 3;
const COLORSPACE_JPEG: u32 = 7;
const COLORSPACE_BT2020: u32 = 10;
const YCBCR_601: u32 = 1;
const YCBCR_709: u32 = 2;
const YCBCR_BT2020: u32 = 6;
const YCBCR_SMPTE240M: u32 = 8;
const QUANTIZATION_FULL: u32 = 1;
const QUANTIZATION_LIMITED: u32 = 2;

/// Whether planes may have separate buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    SinglePlanar,
    MultiPlanar,
}

impl Kind {
    /// `enum v4l2_buf_type`
    pub(super) fn number(self) -> u32 {
        match self {
            Self::SinglePlanar => TYPE_CAPTURE,
            Self::MultiPlanar => TYPE_CAPTURE_MPLANE,
        }
    }

    pub(super) fn has_planes(self) -> bool {
        self == Self::MultiPlanar
    }

    /// Writes the requested values into `format`.
    pub(super) fn write(self, format: &mut v4l2_format, code: u32, width: u32, height: u32) {
        format.type_ = self.number();
        // SAFETY: the variants are integers, and all bytes of `format` are written to before.
        unsafe {
            match self {
                Self::SinglePlanar => {
                    let pix = &mut format.fmt.pix;
                    (pix.width, pix.height, pix.pixelformat) = (width, height, code);
                }
                Self::MultiPlanar => {
                    let pix = &mut format.fmt.pix_mp;
                    (pix.width, pix.height, pix.pixelformat) = (width, height, code);
                }
            }
        }
    }

    /// Returns code and size in `format`.
    pub(super) fn read(self, format: &v4l2_format) -> (u32, (u32, u32)) {
        let layout = Layout::of(self, format);
        (layout.code, layout.size)
    }
}

/// The frame layout in `v4l2_format`, for both kinds.
pub(super) struct Layout {
    pub(super) code: u32,
    pub(super) size: (u32, u32),
    /// Bytes per row and per frame, for every buffer plane.
    pub(super) planes: Vec<(usize, usize)>,
    colorspace: u32,
    matrix: u32,
    quantization: u32,
}

impl Layout {
    pub(super) fn of(kind: Kind, format: &v4l2_format) -> Self {
        // SAFETY: the variants are integers, and the driver has filled in the one of this kind.
        unsafe {
            match kind {
                Kind::SinglePlanar => {
                    let pix = format.fmt.pix;
                    Self {
                        code: pix.pixelformat,
                        size: (pix.width, pix.height),
                        planes: vec![(pix.bytesperline as usize, pix.sizeimage as usize)],
                        colorspace: pix.colorspace,
                        matrix: pix.__bindgen_anon_1.ycbcr_enc,
                        quantization: pix.quantization,
                    }
                }
                Kind::MultiPlanar => {
                    let pix = format.fmt.pix_mp;
                    let n = usize::from(pix.num_planes).clamp(1, MAX_PLANES);
                    let planes = pix.plane_fmt;
                    let plane = |i: usize| {
                        let plane = planes[i];
                        (plane.bytesperline as usize, plane.sizeimage as usize)
                    };
                    Self {
                        code: pix.pixelformat,
                        size: (pix.width, pix.height),
                        planes: (0..n).map(plane).collect(),
                        colorspace: pix.colorspace,
                        matrix: u32::from(pix.__bindgen_anon_1.ycbcr_enc),
                        quantization: u32::from(pix.quantization),
                    }
                }
            }
        }
    }

    /// Returns the colour space of YUV data, with the kernel's defaults
    /// (`V4L2_MAP_QUANTIZATION_DEFAULT` and `V4L2_MAP_YCBCR_ENC_DEFAULT`).
    pub(super) fn colour(&self) -> Colour {
        let matrix = match (self.matrix, self.colorspace) {
            (YCBCR_601, _) => 6,
            (YCBCR_709, _) | (0, COLORSPACE_REC709) => 1,
            (YCBCR_BT2020, _) | (0, COLORSPACE_BT2020) => 9,
            (YCBCR_SMPTE240M, _) | (0, COLORSPACE_SMPTE240M) => 7,
            _ => 6,
        };
        let full_range = match self.quantization {
            QUANTIZATION_FULL => true,
            QUANTIZATION_LIMITED => false,
            _ => self.colorspace == COLORSPACE_JPEG,
        };
        let hint = ColourHint {
            full_range: Some(full_range),
            matrix: Some(matrix),
        };
        hint.resolve().unwrap_or(Colour::BT601)
    }
}
