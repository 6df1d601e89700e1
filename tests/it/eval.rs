//! Evaluation: metrics against pycocotools and NumPy, and the output of `poselens eval`.

use poselens_engine::eval::coco_ap::{Detection, coco_ap};
use poselens_engine::eval::pck::Pck;
use poselens_engine::geometry::{BBox, Point, Size};
use poselens_engine::sample::{Annotation, Joint, Sample, Visibility};
use poselens_engine::skeleton::Skeleton;
use poselens_tests::fill::unit;
use poselens_tests::golden;

use crate::cli::Workdir;
use crate::train::draw_people;

/// Expected metrics of a case: those of pycocotools, which requires at least one label and one
/// detection, and those of NumPy (people, limbs, all joints).
type Expected = (Option<[Option<f64>; 10]>, (usize, Option<f64>, Option<f64>));

/// Pseudo-random numbers determined by the case's name and their index.
struct Draws {
    name: String,
    n: u64,
}

impl Draws {
    /// Returns an integer from 0 to `below`, exclusive.
    fn next(&mut self, below: usize) -> usize {
        self.n += 1;
        (unit(&self.name, self.n - 1) * below as f64) as usize
    }

    fn point(&mut self, [x, y, w, h]: [usize; 4]) -> Point {
        let x = x + self.next(w);
        Point::new(x as f64, (y + self.next(h)) as f64)
    }

    fn score(&mut self) -> f64 {
        self.next(11) as f64 / 10.0
    }
}

struct Case {
    samples: Vec<Sample>,
    found: Vec<Detection>,
    /// Labels, and the first pose predicted for them.
    pairs: Vec<(Vec<Option<Point>>, Vec<Point>)>,
}

/// Generates a few images of people: crowds, some without labels, some detected several times or
/// not at all, false positives, equal scores, occasionally more than twenty poses.
fn case(number: usize) -> Case {
    let mut r = Draws {
        name: format!("case{number}"),
        n: 0,
    };
    let mut case = Case {
        samples: Vec::new(),
        found: Vec::new(),
        pairs: Vec::new(),
    };
    for i in 0..=r.next(4) {
        let image_id = (10 * i + r.next(10)) as u64;
        let mut annotations = Vec::new();
        for _ in 0..r.next(4) {
            let [x, y, w, h] = [r.next(400), r.next(300), 8 + r.next(250), 8 + r.next(250)];
            let area = (w * h * (30 + r.next(70))) as f64 / 100.0;
            let is_crowd = r.next(8) == 0;
            let blank = r.next(6) == 0;
            let joints: Vec<Joint> = (0..17)
                .map(|_| {
                    let point = r.point([x, y, w + 1, h + 1]);
                    let visibility = match r.next(3) {
                        _ if blank => Visibility::Unlabelled,
                        0 => Visibility::Unlabelled,
                        1 => Visibility::Hidden,
                        _ => Visibility::Visible,
                    };
                    Joint { point, visibility }
                })
                .collect();
            for d in 0..r.next(3) {
                let off = r.next(4) * w.max(h) / 20;
                let mut moved = |v: f64| v + r.next(2 * off + 1) as f64 - off as f64;
                let points: Vec<Point> = joints
                    .iter()
                    .map(|j| {
                        let x = moved(j.point.x);
                        Point::new(x, moved(j.point.y))
                    })
                    .collect();
                if d == 0 {
                    let labels = joints.iter().map(Joint::labelled).collect();
                    case.pairs.push((labels, points.clone()));
                }
                case.found.push(Detection {
                    image_id,
                    points,
                    score: r.score(),
                });
            }
            annotations.push(Annotation {
                id: annotations.len() as u64,
                bbox: BBox::new(x as f64, y as f64, w as f64, h as f64),
                area,
                is_crowd,
                n_keypoints: joints.iter().filter(|j| j.labelled().is_some()).count(),
                joints,
                head_box: None,
                region: None,
                track_id: None,
            });
        }
        let n_stray = if r.next(6) == 0 { 22 } else { r.next(3) };
        for _ in 0..n_stray {
            let [x, y, side] = [r.next(400), r.next(300), 1 + r.next(200)];
            let score = r.score();
            let points = (0..17).map(|_| r.point([x, y, side, side])).collect();
            case.found.push(Detection {
                image_id,
                points,
                score,
            });
        }
        case.samples.push(Sample {
            image_id,
            path: "unused.png".into(),
            size: Size::new(640, 480),
            clip: None,
            frame: None,
            orientation: poselens_engine::sample::Orientation::Auto,
            annotations,
        });
    }
    case
}

/// Fails when one of COCO's ten metrics differs from pycocotools, or a PCK from NumPy, on any of
/// many small random data sets.
#[test]
fn numbers_equal_pycocotools_and_numpy() {
    let text = std::fs::read_to_string(golden("eval/random_cases.json")).unwrap();
    let cases: Vec<Expected> = serde_json::from_str(&text).unwrap();
    let coco = Skeleton::by_name("coco17").unwrap();
    let (mut n_numbers, mut worst) = (0, 0.0f64);
    for (number, (wanted, (n_people, limbs, all))) in cases.into_iter().enumerate() {
        let Case {
            samples,
            found,
            pairs,
        } = case(number);
        let mut compare = |what: &str, ours: Option<f64>, theirs: Option<f64>| {
            assert_eq!(ours.is_some(), theirs.is_some(), "case {number}: {what}");
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                let off = (ours - theirs).abs();
                assert!(off < 1e-6, "case {number}: {what} is {ours}, not {theirs}");
                n_numbers += 1;
                worst = worst.max(off);
            }
        };
        if let Some(theirs) = wanted {
            let ours = coco_ap(&samples, &found, &coco.oks_sigmas).numbers();
            for ((name, ours), theirs) in ours.into_iter().zip(theirs) {
                compare(name, ours, theirs);
            }
        }
        let mut pck = Pck::new(coco, 0.2);
        for (labels, points) in &pairs {
            pck.add(labels, points);
        }
        let report = pck.report();
        let ours = |value: fn(&_) -> Option<f64>| report.as_ref().and_then(value);
        assert_eq!(report.as_ref().map_or(0, |r| r.n_people), n_people);
        compare("limbs", ours(|r| r.mean), limbs);
        compare("all", ours(|r| r.mean_all), all);
    }
    println!("{n_numbers} numbers, off by at most {worst:e}");
    assert!(n_numbers > 900);
}

/// Fails when `eval` prints different numbers in JSON, table and chart, cannot average over scales,
/// or accepts invalid options.
#[test]
fn eval_prints_and_draws_every_number() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 2);
    let eval = "eval --annotations people.json --threads 1 --device cpu";
    let plain = workdir.json(&format!("{eval} --json --plot bars/all.png"));
    assert_eq!(plain["scales"], serde_json::json!([1.0]));
    let picture = image::open(workdir.path("bars/all.png")).unwrap();
    assert!(picture.width() > 400 && picture.height() > 500);

    let table = workdir.succeed(eval).stdout;
    let number = |value: &serde_json::Value| {
        value
            .as_f64()
            .map_or_else(|| "-".to_owned(), |v| format!("{:.2}", 100.0 * v))
    };
    let row = |name: &str| -> Vec<String> {
        let mut rows = table.lines().map(str::split_whitespace);
        rows.find_map(|mut row| (row.next() == Some(name)).then_some(row))
            .unwrap_or_else(|| panic!("{name}: {table}"))
            .map(str::to_owned)
            .collect()
    };
    for (joint, share) in plain["pck"]["per_joint"].as_object().unwrap() {
        assert_eq!(row(joint), [number(share)], "{table}");
    }
    assert_eq!(row("limbs"), [number(&plain["pck"]["mean"])]);
    assert_eq!(row("all"), [number(&plain["pck"]["mean_all"])]);
    let lines: Vec<_> = table.lines().collect();
    let head = lines.iter().position(|l| l.starts_with("COCO")).unwrap();
    assert_eq!(
        lines[head].split_whitespace().skip(1).collect::<Vec<_>>(),
        ["AP", "AP50", "AP75", "AP_M", "AP_L"]
    );
    let keys = ["ap", "ap50", "ap75", "ap_m", "ap_l"];
    assert_eq!(
        lines[head + 1].split_whitespace().collect::<Vec<_>>(),
        keys.map(|key| number(&plain["oks"][key]))
    );

    let scaled = workdir.json(&format!("{eval} --json --flip --scales 0.8,1,1.25"));
    assert_eq!(scaled["scales"], serde_json::json!([0.8, 1.0, 1.25]));
    assert_eq!(scaled["n_people"], 2);
    let wrong = workdir.misuse(&format!("{eval} --scales 0"));
    assert!(wrong.contains("scales"), "{wrong}");
    assert_eq!(workdir.run(&format!("{eval} --pck-thr -1")).code, Some(2));
}

/// Fails when PCKh does not name its head size, or labels made for images of another size are used
/// without an error.
#[test]
fn eval_names_the_head_size_and_refuses_other_image_sizes() {
    let workdir = Workdir::new();
    draw_people(&workdir.path(""), 1);
    let eval = "eval --annotations people.json --threads 1 --device cpu";
    let mut labels: serde_json::Value = serde_json::from_str(&workdir.read("people.json")).unwrap();
    assert!(!workdir.succeed(eval).stdout.contains("PCKh by"));
    labels["annotations"][0]["head_box"] = serde_json::json!([36.0, 8.0, 60.0, 26.0]);
    workdir.write("people.json", labels.to_string());
    let table = workdir.succeed(eval).stdout;
    assert!(
        table.contains("PCKh by the head box of 1 person"),
        "{table}"
    );

    for side in ["width", "height"] {
        labels["images"][0][side] = serde_json::json!(97);
    }
    workdir.write("people.json", labels.to_string());
    let wrong = workdir.complaint(eval);
    assert!(
        wrong.contains("0.png") && wrong.contains("97x97"),
        "{wrong}"
    );
}
