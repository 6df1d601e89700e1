//! A search for frames worth labelling in one clip: time to the first choice, to its end, and of a
//! second search, whose frames are known.
//!
//! `cargo bench --workspace --bench propose -- CLIP [MODEL] [THREADS]`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use poselens_engine::device::DeviceSpec;
use poselens_engine::estimator::{Estimator, Network, NetworkOptions};
use poselens_engine::model::model;
use poselens_engine::project::{Examination, NewProject, Project, Survey};

/// Number of frames to suggest.
const N: usize = 20;
/// Number of examined frames and time after which the window makes its first choice.
const N_FOR_FIRST: usize = 25;
const FIRST_AFTER: Duration = Duration::from_millis(1400);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo passes `--bench` before our own arguments.
    let args: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    let clip = args.get(1).ok_or("give the path of a clip")?;
    let name = args.get(2).map_or("sfm", String::as_str);
    let threads = args.get(3).map_or(Ok(2), |n| n.parse())?;
    let folder = tempfile::tempdir()?;
    let new = NewProject {
        model: name.to_owned(),
        clips: vec![PathBuf::from(clip)],
        is_copied: false,
    };
    let mut project = Project::create(&folder.path().join("project"), &new)?;
    for what in ["first search", "second search"] {
        let begin = Instant::now();
        let survey = Survey::plan(&mut project, N)?;
        let planned = begin.elapsed();
        let network = Network::load(&NetworkOptions {
            device: DeviceSpec::Cpu,
            threads,
            ..NetworkOptions::bundled(model(name)?)
        })?;
        let mut estimator = Estimator::new(network, false);
        let mut first: Option<(Duration, Examination)> = None;
        let mut opened = None;
        let examination = survey.run(&mut estimator, &mut |examination| {
            opened.get_or_insert_with(|| begin.elapsed());
            let is_enough =
                examination.n_examined() >= N_FOR_FIRST && begin.elapsed() >= FIRST_AFTER;
            if first.is_none() && is_enough {
                first = Some((begin.elapsed(), examination.clone()));
            }
            Ok(())
        })?;
        let all = begin.elapsed().as_secs_f64();
        println!("{what}: planned after {:.3} s", planned.as_secs_f64());
        if let Some(opened) = opened {
            println!("  first frame begun after {:.3} s", opened.as_secs_f64());
        }
        if let Some((after, first)) = first {
            let choosing = Instant::now();
            let (proposed, _) = first.suggest(project.labels());
            println!(
                "  {} of {} examined after {:.3} s: {} suggested, chosen in {:.1} ms",
                first.n_examined(),
                first.n_total(),
                after.as_secs_f64(),
                proposed.frames.len(),
                choosing.elapsed().as_secs_f64() * 1e3
            );
        }
        let (proposed, _) = examination.suggest(project.labels());
        println!(
            "  all {} after {all:.3} s ({:.1} a second), {} suggested",
            examination.n_examined(),
            examination.n_examined() as f64 / all,
            proposed.frames.len()
        );
    }
    let cache = std::fs::metadata(folder.path().join("project/features.json"))?;
    println!("cache: {} KiB", cache.len() >> 10);
    Ok(())
}
