//! Deterministic weights computed from a rule, so that a network can be compared number by number
//! without trained weights: element `i` of tensor `name` is a hash of both.

/// 64-bit FNV-1a hash of a tensor's name.
pub fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The splitmix64 finaliser.
pub fn splitmix64(z: u64) -> u64 {
    let z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Value in [-1, 1) of element `i` of the tensor called `name`.
pub fn signed(name: &str, i: u64) -> f64 {
    2.0 * unit(name, i) - 1.0
}

/// Value in [0, 1) of element `i` of the tensor called `name`.
pub fn unit(name: &str, i: u64) -> f64 {
    let bits = splitmix64(fnv1a(name).wrapping_add(i)) >> 40;
    bits as f64 / f64::from(1 << 24)
}

/// Fills a tensor of `n` elements with `value(i)`.
pub fn filled(n: usize, value: impl Fn(u64) -> f64) -> Vec<f32> {
    (0..n as u64).map(|i| value(i) as f32).collect()
}

/// The SFM rule: convolutions uniform with variance `1 / fan_in`, batch norms near identity.
pub fn sfm_tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let n = shape.iter().product();
    let fan_in: usize = shape.iter().skip(1).product();
    let gain = (3.0 / fan_in.max(1) as f64).sqrt();
    filled(n, |i| match name.rsplit_once('.') {
        Some((_, "running_var")) => 1.0 + 0.5 * unit(name, i),
        Some((_, "running_mean")) => 0.1 * signed(name, i),
        Some((parent, "weight")) if parent.ends_with("bn") => 1.0 + 0.1 * signed(name, i),
        Some((parent, "bias")) if parent.ends_with("bn") => 0.1 * signed(name, i),
        Some((_, "bias")) => 0.05 * signed(name, i),
        _ => gain * signed(name, i),
    })
}

/// The TransPose rule: matrices uniform with variance `1 / fan_in` times a gain that keeps
/// activations and attention in range, norms near identity. The position table is not filled.
pub fn transpose_tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let hash = fnv1a(name);
    let fan_in = match shape {
        // In a transposed convolution with stride 2, each output uses a quarter of the kernel.
        [c_in, _, h, w] if name == "deconv_layers.0.weight" => c_in * h * w / 4,
        _ => shape.iter().skip(1).product(),
    };
    let gain = [
        ("self_attn.in_proj_weight", 2.5),
        ("self_attn.out_proj.weight", 0.25),
        ("linear2.weight", 0.5),
    ]
    .into_iter()
    .find(|(end, _)| name.ends_with(end))
    .map_or_else(
        || {
            let in_module = name.contains(".branches.") || name.contains(".fuse_layers.");
            if in_module { 0.6 } else { 1.0 }
        },
        |(_, gain)| gain,
    );
    let (shift, factor) = match (shape.len(), name.rsplit_once('.')) {
        // From values in [0, 1), not [-1, 1).
        (_, Some((_, "running_var"))) => (1.25, 0.25),
        (1, Some((_, "weight"))) => (1.0, 0.1),
        // Biases and running means.
        (1, _) => (0.0, 0.1),
        _ => (0.0, (3.0 / fan_in as f64).sqrt() * gain),
    };
    filled(shape.iter().product(), |i| {
        let bits = splitmix64(hash.wrapping_add(i)) >> 40;
        let unit = bits as f64 / f64::from(1 << 24);
        shift + factor * (2.0 * unit - 1.0)
    })
}

/// The SSA rule: convolutions uniform with variance `2 / fan_in`, which a ReLU halves.
pub fn ssa_tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let hash = fnv1a(name);
    let fan_in: usize = shape.iter().skip(1).product();
    let factor = match shape.len() {
        1 => 0.05,
        _ => (6.0 / fan_in as f64).sqrt(),
    };
    // A plain loop, because this runs unoptimised over tens of millions of elements.
    let n: usize = shape.iter().product();
    let mut values = Vec::with_capacity(n);
    for i in 0..n as u64 {
        let bits = splitmix64(hash.wrapping_add(i)) >> 40;
        values.push((factor * (bits as f64 / f64::from(1 << 23) - 1.0)) as f32);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when the generator differs from the one that produced the golden files.
    #[test]
    fn generator_matches_the_reference_values() {
        assert_eq!(splitmix64(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(splitmix64(1), 0x910a_2dec_8902_5cc1);
        assert_eq!(fnv1a("input"), 0x1ebb_ae8f_5810_b65b);
        let conv = transpose_tensor("conv1.weight", &[64, 3, 7, 7]);
        let bits = [conv[0], conv[1], conv[2], conv[3]].map(f32::to_bits);
        assert_eq!(bits, [0x3c530092, 0xbdf8cb4b, 0x3e0696a0, 0x3dc91ae9]);
        // The reference values were printed with eight digits.
        let close = |a: &[f32], b: [f32; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-8);
        let first = filled(4, |i| signed("input", i));
        let wanted = [-0.80436337, -0.70504284, 0.1481688, 0.70545554];
        assert!(close(&first, wanted), "{first:?}");
        let stem = sfm_tensor("stem.conv.weight", &[32, 3, 3, 3]);
        let wanted = [-0.25989285, -0.29585993, 0.22029524, -0.06117141];
        assert!(close(&stem[..4], wanted), "{:?}", &stem[..4]);
    }
}
