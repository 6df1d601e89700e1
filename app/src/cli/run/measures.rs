//! The options of `run` for joint angles, distances and speeds.

use std::str::FromStr;

use poselens_engine::measure::{MeasureSpec, Measures, Scale};
use poselens_engine::skeleton::Skeleton;

use crate::cli::wrong_usage;

/// What to measure.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct MeasureArgs {
    /// Measures for --write-csv, --write-json and --overlay measures, separated by commas: all,
    /// left_elbow, A-B-C (angle at B), 'A-B|vertical', A-B (distance), 'A|speed'
    #[arg(long, value_name = "LIST", value_parser = list)]
    angles: Option<List>,
    /// Length of a number of pixels, such as 250px=1.8m: the unit of distances and speeds
    #[arg(long, value_name = "PIXELS=LENGTH", value_parser = Scale::from_str, requires = "angles")]
    scale: Option<Scale>,
}

#[derive(Debug, Clone)]
struct List(Vec<MeasureSpec>);

fn list(text: &str) -> Result<List, String> {
    Measures::parse(text).map(List)
}

impl MeasureArgs {
    /// Returns the measures for files; none without `--angles`.
    pub(in crate::cli) fn written(&self) -> Measures {
        Measures {
            list: self.angles.clone().map_or_else(Vec::new, |list| list.0),
            scale: self.scale.clone(),
        }
    }

    /// Returns the measures to draw: every named angle without `--angles`.
    pub(in crate::cli) fn drawn(&self) -> Measures {
        let written = self.written();
        if written.is_empty() {
            return Measures {
                list: MeasureSpec::named(),
                scale: None,
            };
        }
        written
    }

    /// Checks that the measures can be written or drawn.
    pub(in crate::cli) fn check_outputs(&self, has_outputs: bool) -> anyhow::Result<()> {
        if self.angles.is_some() && !has_outputs {
            return wrong_usage(
                "--angles needs an output: --write-csv, --write-json, or --record with --overlay \
                 measures",
            );
        }
        Ok(())
    }

    /// Checks that the model's skeleton has the joints.
    pub(in crate::cli) fn check_joints(&self, skeleton: &Skeleton) -> anyhow::Result<()> {
        let list = self.angles.iter().flat_map(|list| &list.0);
        for spec in list {
            if let Err(reason) = spec.check(skeleton) {
                return wrong_usage(format!("--angles: {reason}"));
            }
        }
        Ok(())
    }
}
