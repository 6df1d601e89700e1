//! Augmentation presets: published recipes and our own.

use super::{
    Augment, Blur, Color, CutOut, Distribution, HalfBody, Mosaic, Noise, Rotation, UpperBody,
};

/// A named augmentation recipe: a row of [`PRESETS`].
#[derive(Debug)]
pub struct PresetSpec {
    /// Name on the command line: `default`, `none`, ...
    pub name: &'static str,
    /// One-line description for `--help`.
    pub help: &'static str,
    /// Returns the recipe.
    pub build: fn() -> Augment,
}

/// All presets; the first is the default.
pub const PRESETS: &[PresetSpec] = &[
    PresetSpec {
        name: "default",
        help: "turn, scale, shift, mirror, upper bodies, light, blur, noise, hidden parts",
        build: ours,
    },
    PresetSpec {
        name: "gentle",
        help: "turn up to 30 degrees, scale 0.8 to 1.25, shift, mirror, a little light",
        build: gentle,
    },
    PresetSpec {
        name: "sfm",
        help: "as the SFM paper: turn up to 30 degrees, scale 0.75 to 1.25, mirror, half bodies",
        build: sfm,
    },
    PresetSpec {
        name: "transpose",
        help: "as TransPose's release: turn up to 90 degrees, scale by 0.35, mirror, half bodies",
        build: transpose,
    },
    PresetSpec {
        name: "mca",
        help: "as MCA's release: turn up to 60 degrees, scale 0.75 to 1.25, mirror, colour gain",
        build: mca,
    },
    PresetSpec {
        name: "ssa",
        help: "as OpenPose and SSA: turn up to 45 degrees, half to 1.1 times the size, shift, mirror",
        build: ssa,
    },
    PresetSpec {
        name: "mosaic",
        help: "as default, whole bodies, every second input a mosaic of four images",
        build: mosaic,
    },
    PresetSpec {
        name: "none",
        help: "the plain crop, as evaluation takes it",
        build: Augment::default,
    },
];

/// Returns the preset named `name`.
pub fn preset(name: &str) -> Option<&'static PresetSpec> {
    PRESETS.iter().find(|p| p.name == name)
}

const fn uniform(low: f64, high: f64) -> Distribution {
    Distribution::Uniform { low, high }
}

/// The recipe with which the bundled weights were trained.
fn ours() -> Augment {
    Augment {
        flip: 0.5,
        rotation: Rotation {
            probability: 0.7,
            degrees: uniform(-40.0, 40.0),
        },
        scale: Distribution::LogUniform {
            low: 0.72,
            high: 1.4,
        },
        shift: 0.07,
        half_body: HalfBody::default(),
        upper_body: UpperBody {
            probability: 0.3,
            ..UpperBody::default()
        },
        color: Color {
            contrast: uniform(0.65, 1.35),
            brightness: uniform(0.6, 1.4),
            gain: uniform(0.88, 1.12),
            saturation: uniform(0.7, 1.3),
            grey: 0.1,
        },
        blur: Blur {
            probability: 0.12,
            sigma: uniform(0.5, 1.5),
        },
        noise: Noise {
            probability: 0.15,
            std: uniform(0.01, 0.05),
        },
        cut_out: CutOut {
            probability: 0.3,
            share: uniform(0.08, 0.3),
        },
        mosaic: Mosaic::default(),
    }
}

/// For a few epochs of fine-tuning: closer to the crops of live inference than the recipe of the
/// initial weights, so that the short training adapts to those crops.
fn gentle() -> Augment {
    Augment {
        flip: 0.5,
        rotation: Rotation {
            probability: 0.6,
            degrees: uniform(-30.0, 30.0),
        },
        scale: Distribution::LogUniform {
            low: 0.8,
            high: 1.25,
        },
        shift: 0.04,
        color: Color {
            contrast: uniform(0.8, 1.2),
            brightness: uniform(0.8, 1.2),
            gain: uniform(0.95, 1.05),
            saturation: uniform(0.85, 1.15),
            grey: 0.0,
        },
        ..Augment::default()
    }
}

fn sfm() -> Augment {
    Augment {
        flip: 0.5,
        rotation: Rotation {
            probability: 1.0,
            degrees: uniform(-30.0, 30.0),
        },
        scale: uniform(0.75, 1.25),
        half_body: HalfBody {
            probability: 0.3,
            ..HalfBody::default()
        },
        ..Augment::default()
    }
}

fn transpose() -> Augment {
    Augment {
        flip: 0.5,
        rotation: Rotation {
            probability: 0.6,
            degrees: Distribution::Normal {
                mean: 0.0,
                std: 45.0,
                low: -90.0,
                high: 90.0,
            },
        },
        scale: Distribution::Normal {
            mean: 1.0,
            std: 0.35,
            low: 0.65,
            high: 1.35,
        },
        half_body: HalfBody {
            probability: 0.3,
            ..HalfBody::default()
        },
        ..Augment::default()
    }
}

fn mca() -> Augment {
    Augment {
        flip: 0.5,
        rotation: Rotation {
            probability: 0.4,
            degrees: Distribution::Normal {
                mean: 0.0,
                std: 30.0,
                low: -60.0,
                high: 60.0,
            },
        },
        scale: Distribution::Normal {
            mean: 1.0,
            std: 0.25,
            low: 0.75,
            high: 1.25,
        },
        color: Color {
            gain: uniform(0.8, 1.2),
            ..Color::default()
        },
        ..Augment::default()
    }
}

/// People are 0.5 to 1.1 times as large as the padding implies. The paper draws the size uniformly;
/// here the ratio is drawn uniformly. The shift is 40 of 368 pixels.
fn ssa() -> Augment {
    Augment {
        flip: 0.5,
        rotation: Rotation {
            probability: 1.0,
            degrees: uniform(-45.0, 45.0),
        },
        scale: Distribution::LogUniform {
            low: 1.0 / 1.1,
            high: 2.0,
        },
        shift: 0.109,
        ..Augment::default()
    }
}

fn mosaic() -> Augment {
    Augment {
        upper_body: UpperBody::default(),
        mosaic: Mosaic {
            probability: 0.5,
            ..Mosaic::default()
        },
        ..ours()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a preset is rejected by its own check, or changes by being saved and loaded.
    #[test]
    fn presets_round_trip_through_files() {
        for spec in PRESETS {
            let augment = (spec.build)();
            augment.check().unwrap();
            let text = toml::to_string(&augment).unwrap();
            assert_eq!(toml::from_str::<Augment>(&text).unwrap(), augment, "{text}");
        }
        assert_eq!(toml::from_str::<Augment>("").unwrap(), Augment::default());
    }

    /// Fails when a misspelt field in a file is ignored, or an out-of-range number is accepted.
    #[test]
    fn invalid_options_are_named() {
        assert!(toml::from_str::<Augment>("flipp = 0.5").is_err());
        for (text, field) in [
            ("flip = 1.5", "flip"),
            ("shift = -0.1", "shift"),
            (
                "scale = { kind = 'uniform', low = 2.0, high = 1.0 }",
                "scale",
            ),
            (
                "scale = { kind = 'log-uniform', low = 0.0, high = 1.0 }",
                "scale",
            ),
            (
                "mosaic.middle = { kind = 'fixed', value = 0.9 }",
                "mosaic.middle",
            ),
            ("blur.sigma = { kind = 'fixed', value = nan }", "blur.sigma"),
            (
                "color.gain = { kind = 'normal', mean = 1.0, std = -1.0, low = 0.5, high = 2.0 }",
                "color.gain",
            ),
        ] {
            let augment: Augment = toml::from_str(text).unwrap();
            let message = augment.check().unwrap_err().to_string();
            assert!(message.contains(field), "{text}: {message}");
        }
    }
}
