//! `label-until-killed FOLDER`: edits the label project in FOLDER without end and prints the number
//! of each edit when it is made, which must survive whatever happens to this program afterwards.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use poselens_engine::project::Project;
use poselens_tests::labelling::step;

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).unwrap_or_default();
    let error = match Project::open(Path::new(&folder)) {
        Ok(mut project) => loop {
            if let Err(error) = step(&mut project) {
                break error.to_string();
            }
            if let Err(error) = writeln!(std::io::stdout(), "{}", project.sequence()) {
                break error.to_string();
            }
        },
        Err(error) => error.to_string(),
    };
    eprintln!("{error}");
    ExitCode::FAILURE
}
