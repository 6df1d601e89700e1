//! `attention --mode fields`: draws the part affinity fields of the whole image.

use poselens_engine::estimator::{Estimator, Infer, RequestedMaps};
use poselens_engine::model::MODELS;
use poselens_engine::output::Approach;
use poselens_engine::overlay::{FieldsFigure, OverlayStyle};
use poselens_engine::record::save_png;
use poselens_engine::skeleton::Skeleton;
use poselens_engine::words::counted;

use super::{AttentionArgs, first_frame, joint_of, source_name};
use crate::cli::{Common, wrong_usage};

pub(super) fn run(common: &Common, args: &AttentionArgs) -> anyhow::Result<()> {
    for (name, is_given) in [
        ("--layer", args.layer.is_some()),
        ("--iteration", args.iteration.is_some()),
        ("--head", args.head.is_some()),
        ("--map", args.map.is_some()),
    ] {
        if is_given {
            return wrong_usage(format!("--mode fields has no {name}"));
        }
    }
    let model = &args.network.model;
    let row = MODELS.iter().find(|row| row.name == *model);
    if row.is_some_and(|row| row.approach == Approach::TopDown) {
        let others = MODELS.iter().filter(|m| m.approach == Approach::BottomUp);
        let others: Vec<_> = others.map(|m| m.name).collect();
        let others = others.join(", ");
        return wrong_usage(format!(
            "{model} has no limb fields; choose one of: {others}"
        ));
    }
    let network = args.network.load(common, None)?;
    let skeleton = network.skeleton();
    let style = OverlayStyle {
        joint: match &args.keypoint {
            Some(keypoint) => Some(joint_of(keypoint, skeleton)?),
            None => None,
        },
        limb: match &args.limb {
            Some(limb) => Some(limb_of(limb, skeleton)?),
            None => None,
        },
        ..OverlayStyle::default()
    };
    let frame = first_frame(&args.input)?;
    let requested = RequestedMaps {
        fields: true,
        ..RequestedMaps::default()
    };
    let output = Estimator::new(network, false).inspect(&frame, &[], requested)?;
    let limbs = match (&style.limb, style.joint) {
        (Some(limb), _) => limb.replacen('-', " to ", 1),
        (None, Some(joint)) => format!("limbs at {}", skeleton.joints[joint]),
        (None, None) => "all limbs".to_owned(),
    };
    let title = format!(
        "{model} limb fields - {limbs}\nwhere the network sees limbs - {} found\n{} - frame {} - \
         {:.3} s",
        counted(output.poses.len(), "person"),
        source_name(&args.input),
        frame.id,
        frame.time_secs,
    );
    let figure = FieldsFigure {
        output: &output,
        title: &title,
        threshold: args.threshold,
    };
    save_png(&figure.draw(&style), &args.out)?;
    eprintln!(
        "wrote {} ({})",
        args.out.display(),
        title.replace('\n', " - ")
    );
    Ok(())
}

/// Returns the name of the limb between two joints in any usual spelling.
fn limb_of(limb: &str, skeleton: &Skeleton) -> anyhow::Result<String> {
    let limbs = 0..skeleton.limbs.len();
    match skeleton.limb_spelled(limb) {
        Some(l) => Ok(skeleton.limb_name(l)),
        None => wrong_usage(format!(
            "unknown limb '{limb}'; {} has {}",
            skeleton.name,
            limbs
                .map(|l| skeleton.limb_name(l))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
}
