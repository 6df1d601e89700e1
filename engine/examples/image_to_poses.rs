//! Prints the joints of everybody found in a picture.
//!
//! `cargo run --workspace --example image_to_poses -- photo.jpg` (or `sample`: the bundled clip)

use poselens_engine::estimator::{Estimator, Infer, Network, NetworkOptions, RequestedMaps};
use poselens_engine::model::model;
use poselens_engine::source::{OpenOptions, SourceSpec};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let input = std::env::args_os().nth(1).ok_or("give a picture")?;
    let mut source = SourceSpec::parse(&input)?.open(&OpenOptions::default())?;
    let frame = source.next_frame()?.ok_or("there is no picture in it")?;

    let network = Network::load(&NetworkOptions::bundled(model("sfm")?))?;
    let joints = &network.skeleton().joints;
    let mut estimator = Estimator::new(network, false);
    // By itself: `infer` would follow people from frame to frame.
    let output = estimator.inspect(&frame, &[], RequestedMaps::default())?;

    for (i, pose) in output.poses.iter().enumerate() {
        println!("person {i}, score {:.2}", pose.score);
        for (name, joint) in joints.iter().zip(&pose.keypoints) {
            let (x, y, score) = (joint.x, joint.y, joint.score);
            println!("  {name:<12} {x:7.1} {y:7.1}  score {score:.2}");
        }
    }
    Ok(())
}
