//! `poselens project`: label projects without a window.

mod check;
mod runs;

use std::path::{Path, PathBuf};

use anyhow::bail;
use poselens_engine::finetune::accept;
use poselens_engine::model::MODELS;
use poselens_engine::project::export::{self, Exported};
use poselens_engine::project::import::{self, ImportOptions, Imported};
use poselens_engine::project::{Clip, Contents, FrameLabels, NewProject, Project, Version};
use serde::Serialize;

pub(super) use self::check::summary;
use super::args::model_names;
use super::{Common, print_json, print_line};
use crate::words::counted;

/// Options of `project`.
#[derive(Debug, clap::Args)]
pub(super) struct ProjectArgs {
    #[command(subcommand)]
    command: ProjectCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ProjectCommand {
    /// Create a project in a new folder
    New(NewArgs),
    /// Add clips to a project
    Add(AddArgs),
    /// Tell a project where clips are that were moved
    Relocate(RelocateArgs),
    /// Call a project by another name; its folder keeps its own
    Rename(RenameArgs),
    /// Show how much is labelled
    Status(StatusArgs),
    /// Write the confirmed labels for other programs
    Export(ExportArgs),
    /// Read labels of other programs, or results of `run --write-coco`
    Import(ImportArgs),
    /// List possible mistakes in the confirmed labels
    Check(check::CheckArgs),
    /// Hold out a part of the clips added since the last choice, as a further round
    Holdout(HoldoutArgs),
    /// Use the weights of a measured run of `train --project` from now on
    Accept(AcceptArgs),
    /// Use the weights again that were in use before the last accepted ones
    Rollback(RollbackArgs),
    /// Remove runs of `train --project` for good; versions made of them are kept
    RemoveRun(runs::RemoveRunArgs),
}

#[derive(Debug, clap::Args)]
struct HoldoutArgs {
    /// Folder of the project
    folder: PathBuf,
}

#[derive(Debug, clap::Args)]
struct AcceptArgs {
    /// Folder of the project
    folder: PathBuf,
    /// Name of the run
    run: String,
}

#[derive(Debug, clap::Args)]
struct RollbackArgs {
    /// Folder of the project
    folder: PathBuf,
}

#[derive(Debug, clap::Args)]
struct NewArgs {
    /// Folder of the project, new or empty
    folder: PathBuf,
    /// Videos, recordings of PoseLens and folders of images
    #[arg(long = "clip", value_name = "FILE", required = true, num_args = 1..)]
    clips: Vec<PathBuf>,
    /// Model that proposes labels and is trained
    #[arg(long, default_value = MODELS[0].name, value_parser = model_names())]
    model: String,
    /// Copy the clips into the project; otherwise they stay where they are
    #[arg(long)]
    copy: bool,
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// Folder of the project
    folder: PathBuf,
    /// Videos, recordings of PoseLens and folders of images
    #[arg(long = "clip", value_name = "FILE", required = true, num_args = 1..)]
    clips: Vec<PathBuf>,
    /// Copy the clips into the project; otherwise they stay where they are
    #[arg(long)]
    copy: bool,
}

#[derive(Debug, clap::Args)]
struct RelocateArgs {
    /// Folder of the project
    folder: PathBuf,
    /// Where the clips are now; they are recognised by their content
    #[arg(long = "clip", value_name = "FILE", required = true, num_args = 1..)]
    clips: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct RenameArgs {
    /// Folder of the project
    folder: PathBuf,
    /// Name; an empty one is that of the folder
    name: String,
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// Folder of the project
    folder: PathBuf,
    /// Print the status as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// Folder of the project
    folder: PathBuf,
    /// Write COCO keypoints
    #[arg(long, value_name = "FILE", required_unless_present = "dlc")]
    coco: Option<PathBuf>,
    /// Write a DeepLabCut table (CSV)
    #[arg(long, value_name = "FILE")]
    dlc: Option<PathBuf>,
    /// Also write the labelled images, into a folder for each clip
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// Folder of the project
    folder: PathBuf,
    /// COCO keypoints (also of CVAT and Label Studio), or results of `run --write-coco`
    #[arg(long, value_name = "FILE", required_unless_present = "dlc")]
    coco: Option<PathBuf>,
    /// DeepLabCut table (CSV)
    #[arg(long, value_name = "FILE")]
    dlc: Option<PathBuf>,
    /// Clip that the images belong to; default: found by their names
    #[arg(long, value_name = "NAME")]
    clip: Option<String>,
    /// Confirm the people; otherwise they are proposals to be checked
    #[arg(long)]
    confirm: bool,
    /// Print what was imported as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &ProjectArgs) -> anyhow::Result<()> {
    match &args.command {
        ProjectCommand::New(args) => new(args),
        ProjectCommand::Add(args) => {
            let mut project = open(&args.folder)?;
            for path in &args.clips {
                let clip = project.add_clip(path, args.copy)?;
                eprintln!("added {}", described(clip));
            }
            Ok(())
        }
        ProjectCommand::Relocate(args) => {
            let mut project = open(&args.folder)?;
            for path in &args.clips {
                let clip = project.relocate(path)?;
                eprintln!("{} is the clip {}", path.display(), clip.name);
            }
            Ok(())
        }
        ProjectCommand::Rename(args) => {
            let mut project = open(&args.folder)?;
            super::checked(project.rename(&args.name))?;
            let contents = project.contents();
            let name = contents.file().title(contents.folder());
            print_line(format_args!("the project is called {name}"))
        }
        ProjectCommand::Status(args) => status(args),
        ProjectCommand::Export(args) => write(args),
        ProjectCommand::Import(args) => read(args),
        ProjectCommand::Check(args) => check::run(common, args),
        ProjectCommand::Accept(args) => {
            let version = accept(&mut open(&args.folder)?, &args.run)?;
            let (file, weights) = (&version.file, version.weights.display());
            print_line(format_args!(
                "version {} is in use: {weights} ({}, measured on {}: {})",
                file.number, file.data, file.holdout, file.verdict
            ))
        }
        ProjectCommand::Holdout(args) => {
            let mut project = open(&args.folder)?;
            project.add_holdout()?;
            let contents = project.contents();
            print_line(format_args!(
                "round {} of the hold-out is chosen; {} are held out in all",
                contents.holdout().n_rounds(),
                counted(contents.n_held_out() as usize, "frame")
            ))
        }
        ProjectCommand::Rollback(args) => {
            let number = open(&args.folder)?.rollback()?;
            let name = match number {
                0 => "the bundled weights are".to_owned(),
                number => format!("version {number} is"),
            };
            print_line(format_args!("{name} in use"))
        }
        ProjectCommand::RemoveRun(args) => runs::remove(args),
    }
}

/// Opens a project for writing and prints the remarks on its files.
pub(super) fn open(folder: &Path) -> anyhow::Result<Project> {
    let project = Project::open(folder)?;
    remark(project.contents());
    Ok(project)
}

fn remark(contents: &Contents) {
    for remark in contents.remarks() {
        eprintln!("{remark}");
    }
}

fn described(clip: &Clip) -> String {
    let Clip {
        name,
        kind,
        n_frames,
        ..
    } = clip;
    format!("{name} ({kind}, {})", counted(*n_frames, "frame"))
}

fn new(args: &NewArgs) -> anyhow::Result<()> {
    let project = Project::create(
        &args.folder,
        &NewProject {
            model: args.model.clone(),
            clips: args.clips.clone(),
            is_copied: args.copy,
        },
    )?;
    let clips = project.contents().file().clips.iter();
    let clips: Vec<_> = clips.map(described).collect();
    eprintln!("created {}: {}", args.folder.display(), clips.join(", "));
    Ok(())
}

#[derive(Serialize)]
struct Status<'a> {
    project: String,
    name: String,
    model: &'a str,
    skeleton: &'a str,
    /// Number of frames with confirmed people, or accepted without people.
    confirmed: usize,
    /// Number of those accepted without people.
    without_people: usize,
    /// Number of frames with people that are not confirmed.
    proposed: usize,
    /// Number of suggested frames.
    suggested: usize,
    /// Number of held-out frames.
    holdout: u64,
    confirmed_people: usize,
    proposed_people: usize,
    /// Version of the weights in use; 0 for the bundled ones.
    version: u32,
    clips: Vec<ClipStatus<'a>>,
    /// Runs of `train --project`, the one changed last first.
    runs: Vec<runs::RunStatus>,
    /// Remarks on the files, one line each.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct ClipStatus<'a> {
    name: &'a str,
    path: String,
    kind: &'a str,
    frames: u32,
    confirmed: usize,
    proposed: usize,
    suggested: usize,
}

fn status(args: &StatusArgs) -> anyhow::Result<()> {
    let contents = Contents::read(&args.folder)?;
    let (file, labels) = (contents.file(), contents.labels());
    let tally = labels.tally();
    let mut notes = contents.remarks().to_vec();
    let missing = file.clips.iter().filter_map(|clip| {
        let place = clip.place(&args.folder);
        let line = || format!("the clip {} is not at {}", clip.name, place.display());
        (!place.exists()).then(line)
    });
    notes.extend(missing);
    let count = |clip: &Clip, is_counted: fn(&FrameLabels) -> bool| {
        let frames = labels.frames_of(clip.id);
        frames.filter(|(_, frame)| is_counted(frame)).count()
    };
    let clips = file.clips.iter().map(|clip| ClipStatus {
        name: &clip.name,
        path: clip.place(&args.folder).display().to_string(),
        kind: &clip.kind,
        frames: clip.n_frames,
        confirmed: count(clip, FrameLabels::is_confirmed),
        proposed: count(clip, FrameLabels::is_proposed),
        suggested: count(clip, |frame| frame.suggestion.is_some()),
    });
    let status = Status {
        project: args.folder.display().to_string(),
        name: file.title(&args.folder),
        model: &file.model,
        skeleton: &file.skeleton,
        confirmed: tally.confirmed,
        without_people: tally.without_people,
        proposed: tally.proposed,
        suggested: tally.suggested,
        holdout: contents.n_held_out(),
        confirmed_people: tally.confirmed_people,
        proposed_people: tally.proposed_people,
        version: Version::current(&args.folder)?.map_or(0, |version| version.file.number),
        clips: clips.collect(),
        runs: runs::list(&args.folder),
        notes,
    };
    if args.json {
        return print_json(&status);
    }
    print_line(format_args!(
        "{} ({}): model {}, skeleton {}; {} confirmed, of these {} without people, {} proposed, {} \
         suggested, {} held out (frames)",
        status.name,
        status.project,
        status.model,
        status.skeleton,
        status.confirmed,
        status.without_people,
        status.proposed,
        status.suggested,
        status.holdout,
    ))?;
    for clip in &status.clips {
        print_line(format_args!(
            "  {} ({}, {}): {} confirmed, {} proposed, {} suggested",
            clip.name,
            clip.kind,
            counted(clip.frames, "frame"),
            clip.confirmed,
            clip.proposed,
            clip.suggested,
        ))?;
    }
    for run in &status.runs {
        print_line(format_args!("  run {}: {}", run.name, run.state))?;
    }
    for note in &status.notes {
        print_line(format_args!("  {note}"))?;
    }
    Ok(())
}

fn write(args: &ExportArgs) -> anyhow::Result<()> {
    let contents = Contents::read(&args.folder)?;
    remark(&contents);
    let images = args.images.as_deref();
    let report = |path: &Path, exported: &Exported| {
        let Exported {
            frames,
            people,
            images,
            left_out,
        } = exported;
        eprintln!(
            "wrote {}: {}, {}, {}",
            path.display(),
            counted(*frames, "frame"),
            counted(*people, "person"),
            counted(*images, "image")
        );
        for line in left_out {
            eprintln!("left out: {line}");
        }
    };
    if let Some(path) = &args.coco {
        report(path, &export::coco(&contents, path, images)?);
    }
    if let Some(path) = &args.dlc {
        report(path, &export::dlc(&contents, path, images)?);
    }
    Ok(())
}

#[derive(Serialize)]
struct ImportDocument<'a> {
    project: String,
    files: Vec<ImportedFile<'a>>,
}

#[derive(Serialize)]
struct ImportedFile<'a> {
    file: String,
    #[serde(flatten)]
    imported: &'a Imported,
}

fn read(args: &ImportArgs) -> anyhow::Result<()> {
    let mut project = open(&args.folder)?;
    let options = ImportOptions {
        clip: args.clip.as_deref(),
        is_confirmed: args.confirm,
    };
    let mut files = Vec::new();
    if let Some(path) = &args.coco {
        files.push((path, import::coco(&mut project, path, options)?));
    }
    if let Some(path) = &args.dlc {
        files.push((path, import::dlc(&mut project, path, options)?));
    }
    project.save()?;
    if args.json {
        let files = files.iter().map(|(path, imported)| ImportedFile {
            file: path.display().to_string(),
            imported,
        });
        print_json(&ImportDocument {
            project: args.folder.display().to_string(),
            files: files.collect(),
        })?;
    } else {
        for (path, imported) in &files {
            report(path, imported);
        }
    }
    match files.iter().find(|(_, imported)| imported.is_nothing()) {
        Some((path, _)) => bail!("{}: nothing of it could be imported", path.display()),
        None => Ok(()),
    }
}

fn report(path: &Path, imported: &Imported) {
    let people = counted(imported.people, "person");
    let frames = counted(imported.frames, "frame");
    eprintln!("{}: {people} in {frames}", path.display());
    for (reason, omitted) in &imported.left_out {
        let mut names = omitted.first.join(", ");
        if omitted.count > omitted.first.len() && !names.is_empty() {
            names.push_str(", ...");
        }
        let names = if names.is_empty() {
            names
        } else {
            format!(" ({names})")
        };
        eprintln!("left out, {reason}: {}{names}", omitted.count);
    }
    if !imported.joints_left_out.is_empty() {
        let joints = imported.joints_left_out.join(", ");
        eprintln!("left out of the joints: {joints}");
    }
    for note in &imported.notes {
        eprintln!("{note}");
    }
}
