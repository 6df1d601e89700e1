//! File type by the first bytes; names and extensions are unreliable.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use image::ImageFormat;

/// Type of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// An image that is decoded here.
    Picture(ImageFormat),
    /// An image that ffmpeg decodes if installed; with the format's name.
    Foreign(&'static str),
    /// An unsupported image; with the format's name and the remedy.
    Unread(&'static str, &'static str),
    /// A video container.
    Video,
    /// An empty file.
    Empty,
    /// Any other content.
    Other,
}

/// Number of bytes read: covers the brands of an ISO file, a TIFF header with the marks of raw
/// formats, and the second packet of a transport stream.
const N_HEAD: usize = 200;

const HEIC_REMEDY: &str = "convert it to JPEG, for example with `heif-convert IN.heic OUT.jpg`; \
     an iPhone takes JPEG with Settings > Camera > Formats > Most Compatible";
const RAW_REMEDY: &str = "convert it to JPEG, PNG or TIFF first";
const SAVE_REMEDY: &str = "save it as PNG or JPEG";

const HEIC: Content = Content::Unread("HEIC", HEIC_REMEDY);
const RAW: Content = Content::Unread("camera raw", RAW_REMEDY);

/// Magic bytes and their content type. Longer marks precede their prefixes.
const MAGIC: &[(&[u8], Content)] = &[
    (b"\xFF\xD8\xFF", Content::Picture(ImageFormat::Jpeg)),
    (b"\x89PNG\r\n\x1a\n", Content::Picture(ImageFormat::Png)),
    (b"GIF87a", Content::Picture(ImageFormat::Gif)),
    (b"GIF89a", Content::Picture(ImageFormat::Gif)),
    (b"II*\0", Content::Picture(ImageFormat::Tiff)),
    (b"MM\0*", Content::Picture(ImageFormat::Tiff)),
    (b"II+\0", Content::Picture(ImageFormat::Tiff)),
    (b"MM\0+", Content::Picture(ImageFormat::Tiff)),
    (b"\xFF\x0A", Content::Foreign("JPEG XL")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Content::Foreign("JPEG XL")),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Content::Foreign("JPEG 2000")),
    (b"\xFF\x4F\xFF\x51", Content::Foreign("JPEG 2000")),
    (b"qoif", Content::Foreign("QOI")),
    (b"8BPS", Content::Foreign("Photoshop")),
    (b"DDS ", Content::Foreign("DDS")),
    (b"v/1\x01", Content::Unread("OpenEXR", SAVE_REMEDY)),
    (b"#?RADIANCE", Content::Unread("Radiance HDR", SAVE_REMEDY)),
    (b"\0\0\x01\0", Content::Unread("icon", SAVE_REMEDY)),
    (b"IIU\0", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"\x1A\x45\xDF\xA3", Content::Video),
    (b"FLV\x01", Content::Video),
    (b"OggS", Content::Video),
    (b"\0\0\x01\xBA", Content::Video),
    (b"\0\0\x01\xB3", Content::Video),
    (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", Content::Video),
    (b"YUV4MPEG2 ", Content::Video),
    (b"DKIF", Content::Video),
    (b".RMF", Content::Video),
    (b"nut/multimedia container\0", Content::Video),
    (
        b"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02",
        Content::Video,
    ),
];

impl Content {
    /// Determines the type of a file.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut head = Vec::with_capacity(N_HEAD);
        File::open(path)?
            .take(N_HEAD as u64)
            .read_to_end(&mut head)?;
        Ok(Self::of_head(&head))
    }

    /// Determines the type from the first bytes of a file.
    fn of_head(head: &[u8]) -> Self {
        if head.is_empty() {
            return Self::Empty;
        }
        let known = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
        if let Some(&(_, content)) = known {
            let is_cr2 = head.get(8..10) == Some(b"CR");
            return match content {
                Self::Picture(ImageFormat::Tiff) if is_cr2 => RAW,
                other => other,
            };
        }
        match (head.get(..4), head.get(4..8), head.get(8..12)) {
            (Some(b"RIFF"), _, Some(b"WEBP")) => Self::Picture(ImageFormat::WebP),
            (_, Some(b"ftyp"), Some(_)) => Self::of_brands(head),
            (Some(b"RIFF"), _, Some(b"AVI "))
            | (_, Some(b"moov" | b"mdat" | b"wide" | b"free" | b"skip"), _) => Self::Video,
            _ if is_transport_stream(head) => Self::Video,
            _ if is_bmp(head) => Self::Picture(ImageFormat::Bmp),
            _ if is_pnm(head) => Self::Picture(ImageFormat::Pnm),
            _ if head.get(128..132) == Some(b"DICM") => Self::Unread("DICOM", SAVE_REMEDY),
            _ => Self::Other,
        }
    }

    /// Determines the type from the brands of an ISO file: the major brand, then the compatible
    /// ones.
    fn of_brands(head: &[u8]) -> Self {
        let declared = head[..4].iter().fold(0, |n, b| n << 8 | usize::from(*b));
        let listed = &head[..declared.clamp(12, head.len())];
        // The minor version between the major brand and the others matches none of them.
        let has = |brands: &[&[u8; 4]]| {
            let (words, _) = listed[8..].as_chunks::<4>();
            words.iter().any(|word| brands.contains(&word))
        };
        if has(&[b"avis"]) {
            // An image sequence in a track, as in videos.
            Self::Video
        } else if has(&[b"avif"]) {
            Self::Foreign("AVIF")
        } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"]) {
            HEIC
        } else if has(&[b"mif1", b"msf1", b"mif2"]) {
            Self::Unread("HEIF", HEIC_REMEDY)
        } else if has(&[b"crx "]) {
            RAW
        } else {
            Self::Video
        }
    }

    /// Returns whether it is an image, readable or not.
    pub fn is_picture(self) -> bool {
        matches!(
            self,
            Self::Picture(_) | Self::Foreign(_) | Self::Unread(_, _)
        )
    }
}

/// Two letters begin many a text; the size of the second header is one of a few.
fn is_bmp(head: &[u8]) -> bool {
    let sizes = [12, 16, 40, 52, 56, 64, 108, 124];
    let is_known = |bytes: &[u8]| matches!(bytes, [n, 0, 0, 0] if sizes.contains(n));
    head.starts_with(b"BM") && head.get(14..18).is_some_and(is_known)
}

/// Returns whether packets of 188 bytes, or of 192 with a time stamp in front, begin with the
/// synchronisation byte of MPEG transport streams.
fn is_transport_stream(head: &[u8]) -> bool {
    let begin_at = |places: [usize; 2]| places.iter().all(|&i| head.get(i) == Some(&0x47));
    begin_at([0, 188]) || begin_at([4, 196])
}

/// Returns whether the file starts with `P1` to `P7` followed by white space.
fn is_pnm(head: &[u8]) -> bool {
    matches!(head, [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fails when an iPhone image is taken for a damaged video, AVIF for HEIC, a video for an
    /// image, or a text that begins like an image for one.
    #[test]
    fn first_bytes_tell_the_format() {
        let brands = |list: &[u8]| {
            let n = 8 + list.len() as u8;
            [&[0, 0, 0, n], b"ftyp".as_slice(), list, b"meta"].concat()
        };
        let bmp = [
            b"BM\x10\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".as_slice(),
            &[0; 9],
        ]
        .concat();
        for (head, wanted) in [
            (brands(b"heic\0\0\0\0mif1heic"), HEIC),
            (brands(b"mif1\0\0\0\0mif1heix"), HEIC),
            (brands(b"mif1\0\0\0\0mif1avif"), Content::Foreign("AVIF")),
            (brands(b"avif\0\0\0\0mif1miaf"), Content::Foreign("AVIF")),
            (brands(b"avis\0\0\0\0avifmsf1"), Content::Video),
            (brands(b"isom\0\0\x02\0isomavc1"), Content::Video),
            (
                brands(b"mif1\0\0\0\0miaf"),
                Content::Unread("HEIF", HEIC_REMEDY),
            ),
            (b"\0\0\0\x08wide\0\0".to_vec(), Content::Video),
            (b"II*\0\x10\0\0\0CR\x02\0".to_vec(), RAW),
            (
                b"MM\0*\0\0\0\x08".to_vec(),
                Content::Picture(ImageFormat::Tiff),
            ),
            (bmp, Content::Picture(ImageFormat::Bmp)),
            (b"BMW and other makers of cars".to_vec(), Content::Other),
            (
                b"P6\n2 2\n255\n".to_vec(),
                Content::Picture(ImageFormat::Pnm),
            ),
            (b"P61".to_vec(), Content::Other),
            (
                b"RIFF\0\0\0\0WEBPVP8 ".to_vec(),
                Content::Picture(ImageFormat::WebP),
            ),
            (b"RIFF\0\0\0\0WAVEfmt ".to_vec(), Content::Other),
            (
                [&[0x47], [0; 187].as_slice(), &[0x47]].concat(),
                Content::Video,
            ),
            (
                [&[0; 4], [0x47].as_slice(), &[0; 191], &[0x47]].concat(),
                Content::Video,
            ),
            (b"Go on".to_vec(), Content::Other),
            (b"YUV4MPEG2 W4 H4".to_vec(), Content::Video),
            (Vec::new(), Content::Empty),
            (b"sorry".to_vec(), Content::Other),
        ] {
            assert_eq!(Content::of_head(&head), wanted, "{head:?}");
        }
    }

    proptest! {
        /// Fails when determining the type of some file causes a panic.
        #[test]
        fn any_bytes_have_a_type(mut head in prop::collection::vec(any::<u8>(), 0..40), ftyp: bool) {
            if ftyp && head.len() > 8 {
                head[4..8].copy_from_slice(b"ftyp");
            }
            Content::of_head(&head);
        }
    }
}
