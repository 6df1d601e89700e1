//! Image inputs: folders, unusual formats and names, and lists in pipes.

use std::ffi::{OsStr, OsString};

use image::{DynamicImage, ImageFormat, RgbImage};
use poselens_engine::source::SourceSpec;
use serde_json::json;

use super::{Running, Workdir, read_all};

/// Returns a frame of the sample clip as an image.
fn person() -> DynamicImage {
    let frames = read_all(&SourceSpec::parse("sample").unwrap());
    let rgb = frames[0]
        .rgba()
        .chunks_exact(4)
        .flat_map(|p| p[..3].to_vec());
    let rgb: Vec<u8> = rgb.collect();
    DynamicImage::ImageRgb8(RgbImage::from_raw(640, 480, rgb).unwrap())
}

/// Fails when an image is skipped because of its extension, a broken one shifts the numbers of the
/// others, results lack the image names, or skipped images are not reported.
#[test]
fn a_folder_keeps_numbers_and_names_and_reports_skipped_images() {
    let workdir = Workdir::new();
    std::fs::create_dir(workdir.path("day")).unwrap();
    let person = person();
    for (name, format) in [
        ("1.JPE", ImageFormat::Jpeg),
        ("3.tif", ImageFormat::Tiff),
        ("4", ImageFormat::Gif),
        ("5.mp4", ImageFormat::Png),
    ] {
        let path = workdir.path("day").join(name);
        person.save_with_format(path, format).unwrap();
    }
    workdir.write("day/2.jpg", "sorry");
    workdir.write("day/notes.txt", "measured in May");
    let run = "run --input day --write-json a.jsonl --write-coco a.json --write-csv a.csv \
               --write-openpose poses";
    let outcome = workdir.succeed(run);
    let lines = workdir.json_lines("a.jsonl");
    let named: Vec<_> = lines
        .iter()
        .map(|l| json!([l["frame"], l["file"]]))
        .collect();
    let wanted = [(0, "1.JPE"), (2, "3.tif"), (3, "4"), (4, "5.mp4")];
    assert_eq!(named, wanted.map(|(id, name)| json!([id, name])));
    for (i, name) in wanted {
        let coco: serde_json::Value = serde_json::from_str(&workdir.read("a.json")).unwrap();
        let is_it = |e: &serde_json::Value| e["image_id"] == i && e["file_name"] == name;
        assert!(coco.as_array().unwrap().iter().any(is_it), "{name}: {coco}");
        assert!(
            workdir
                .read("a.csv")
                .lines()
                .any(|l| l.ends_with(&format!(",{name}")))
        );
        let stem = name.split('.').next().unwrap();
        assert!(
            workdir
                .path(&format!("poses/{stem}_keypoints.json"))
                .exists(),
            "{stem}"
        );
    }
    let said = outcome.stderr.lines().next().unwrap();
    for part in [
        "1 of 5 images failed",
        "2.jpg",
        "1 file that is not an image (notes.txt)",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // The poses of this folder must not be mixed with those of another.
    let line = workdir.complaint(run);
    assert!(line.contains("--overwrite"), "{line}");
    let strict = workdir.run(&format!("{run} --overwrite --strict"));
    assert_eq!(strict.code, Some(1), "{strict:?}");
    assert!(strict.stderr.contains("--strict"), "{strict:?}");
    assert_eq!(workdir.json_lines("a.jsonl").len(), 4);
}

/// Fails when a truncated image is read without a warning.
#[test]
fn a_truncated_image_causes_a_warning() {
    let workdir = Workdir::new();
    person().save(workdir.path("whole.jpg")).unwrap();
    let bytes = std::fs::read(workdir.path("whole.jpg")).unwrap();
    workdir.write("cut.jpg", &bytes[..bytes.len() * 2 / 3]);
    let run = workdir.json("run --input cut.jpg --json");
    let warning = run["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("cut.jpg") && warning.contains("truncated"),
        "{warning}"
    );
    assert_eq!(workdir.run("run --input cut.jpg --strict").code, Some(1));
    assert_eq!(workdir.run("run --input whole.jpg --strict").code, Some(0));
}

/// Fails when a list cannot be written to standard output, or is mixed with other lines there.
#[test]
fn lists_go_to_standard_output() {
    let workdir = Workdir::new();
    let run = "run --input synthetic --max-frames 3";
    workdir.succeed(&format!(
        "{run} --write-json file.jsonl --write-coco file.json"
    ));
    let printed = workdir.succeed(&format!("{run} --write-json -")).stdout;
    assert_eq!(printed, workdir.read("file.jsonl"));
    let printed = workdir.succeed(&format!("{run} --write-coco -")).stdout;
    assert_eq!(printed, workdir.read("file.json"));
    let names = std::fs::read_dir(workdir.path("")).unwrap().count();
    assert_eq!(names, 2, "nothing but the two files");
    for both in ["--write-csv - --write-json -", "--json --write-json -"] {
        let line = workdir.misuse(&format!("{run} {both}"));
        assert!(line.contains("cannot write to -"), "{line}");
    }
    #[cfg(unix)]
    {
        let printed = workdir
            .succeed(&format!("{run} --write-json /dev/stdout"))
            .stdout;
        assert_eq!(printed, workdir.read("file.jsonl"));
        workdir.succeed(&format!(
            "{run} --write-json /dev/null --write-coco /dev/null"
        ));
    }
}

/// Fails when a reader that closes the pipe early (`| head -1`) fails the run, or the other outputs
/// of it are not told.
#[cfg(unix)]
#[test]
fn a_closed_pipe_does_not_fail_the_run() {
    let workdir = Workdir::new();
    let told = |arguments: &str| {
        let run = format!("run --input synthetic --max-frames 30 --write-json -{arguments}");
        let piped = std::process::Stdio::piped;
        let mut command = workdir.command(&run);
        let mut child = command.stdout(piped()).stderr(piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(told(""), "");
    let said = told(" --record out.mp4");
    assert!(said.ends_with("\nwrote out.mp4\n"), "{said}");
    assert_eq!(workdir.frames("out.mp4").len(), 30);
}

/// Fails when a path that is not UTF-8, as in archives from other systems, cannot be given.
#[cfg(target_os = "linux")]
#[test]
fn paths_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let workdir = Workdir::new();
    let name = OsStr::from_bytes(b"stra\xdfe.png");
    person()
        .save_with_format(workdir.path("").join(name), ImageFormat::Png)
        .unwrap();
    let folder = workdir.path("").join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(workdir.path("").join(name), folder.join(name)).unwrap();
    for input in [name, OsStr::from_bytes(b"caf\xe9")] {
        let mut command = workdir.command("run --json --write-csv a.csv");
        let mut out = OsString::from("out-");
        out.push(input);
        command
            .arg("--input")
            .arg(input)
            .arg("--write-json")
            .arg(&out);
        let outcome = Running::start(command).wait();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let figures: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(figures["frames"], 1);
        assert!(workdir.path("").join(&out).exists());
    }
}
