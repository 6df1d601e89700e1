//! Times the convolution kernels on the layer shapes of the SFM network, 256 x 256 input, and the
//! whole network of 35 folded convolutions without concatenation (1.657 GMACs).
//!
//! `cargo bench -p poselens-engine --bench kernels`; `-- sfm` for the whole network only. Every
//! benchmark runs with 1 and 2 threads; on a busy machine read the `fastest` column.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use poselens_engine::nn::kernels::{
    Activation, Buffers, ConvShape, Epilogue, Isa, Nhwc, PackedConv, PackedDepthwise, Plan,
    Threads, conv2d, depthwise, gate, project, upsample_add,
};

fn main() {
    println!("kernels: {:?}; items are multiply-adds", Isa::detect());
    divan::main();
}

/// Values in -0.5..0.5, the same at every run.
fn noise(len: usize) -> Vec<f32> {
    let mut x = 0x2545_f491_u32;
    let mut next = || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

/// A random map.
fn map(pool: &Buffers, side: usize, c: usize) -> Nhwc {
    pool.map_from(1, side, side, c, &noise(side * side * c))
}

/// A convolution with small random weights for `side` x `side` inputs.
fn layer(cin: usize, cout: usize, kernel: usize, stride: usize, side: usize) -> PackedConv {
    let shape = ConvShape::same(cin, cout, kernel, stride);
    let scale = (3.0 / (cin * kernel * kernel) as f32).sqrt();
    let weight: Vec<f32> = noise(shape.weights()).iter().map(|v| v * scale).collect();
    PackedConv::new(shape, &weight, Some(&noise(cout)), Plan::For(side, side))
}

/// Channels in, channels out, kernel, stride, side of the input.
#[derive(Clone, Copy)]
struct Layer(usize, usize, usize, usize, usize);

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(cin, cout, kernel, stride, side) = self;
        write!(f, "{kernel}x{kernel}/{stride} {cin}-{cout} @{side}")
    }
}

const LAYERS: [Layer; 18] = [
    Layer(3, 32, 3, 2, 256),
    Layer(32, 32, 3, 1, 128),
    Layer(32, 64, 3, 2, 128),
    Layer(64, 64, 3, 1, 64),
    Layer(64, 64, 3, 2, 64),
    Layer(64, 64, 3, 1, 32),
    Layer(64, 80, 3, 2, 32),
    Layer(80, 80, 3, 1, 16),
    Layer(80, 160, 3, 2, 16),
    Layer(160, 160, 3, 1, 8),
    Layer(160, 80, 1, 1, 8),
    Layer(80, 80, 1, 1, 16),
    Layer(80, 64, 1, 1, 16),
    Layer(64, 64, 1, 1, 32),
    Layer(64, 64, 1, 1, 64),
    Layer(64, 32, 1, 1, 64),
    Layer(32, 32, 1, 1, 128),
    Layer(32, 17, 1, 1, 128),
];

/// Convolutions per sample.
const ROUND: usize = 8;

#[divan::bench(args = LAYERS, consts = [1, 2])]
fn conv<const THREADS: usize>(bencher: Bencher, Layer(cin, cout, kernel, stride, side): Layer) {
    let threads = Threads::new(THREADS).expect("threads start");
    let weights = layer(cin, cout, kernel, stride, side);
    let input = map(&Buffers::new(), side, cin);
    let macs = weights.shape().macs(side, side);
    // Several in a row, as in a network: the way into the thread pool is paid once per pass.
    bencher
        .counter(ItemsCount::new(macs * ROUND))
        .bench_local(|| {
            threads.install(|| {
                for _ in 0..ROUND {
                    black_box(conv2d(&weights, &input, Epilogue::RELU, &threads));
                }
            });
        });
}

/// High-level spatial attention on `c` channels.
struct Hsa {
    proj: Vec<f32>,
    low: PackedDepthwise,
    high: PackedDepthwise,
}

impl Hsa {
    fn new(c: usize) -> Self {
        let stencil = || PackedDepthwise::new(1, 7, &noise(49), Some(&[0.1]));
        Self {
            proj: noise(c),
            low: stencil(),
            high: stencil(),
        }
    }

    /// The two maps for projected features.
    fn maps(&self, p: &Nhwc, threads: &Threads) -> (Nhwc, Nhwc) {
        let m = depthwise(&self.low, p, None, Activation::Tanh, threads);
        let d = depthwise(&self.high, &m, None, Activation::Tanh, threads);
        (m, d)
    }

    fn apply(&self, mut f: Nhwc, threads: &Threads) -> Nhwc {
        let p = project(f.view(), &self.proj, f.buffers(), threads);
        let (m, d) = self.maps(&p, threads);
        gate(f.view_mut(), &m, &d, None, threads);
        f
    }
}

const CHANNELS: [usize; 5] = [32, 64, 64, 80, 160];

/// The SFM network with folded weights, as section 9 of its description has it.
struct Sfm {
    stem: PackedConv,
    /// By pyramid and level: down convolutions of levels 2 to 5.
    down: [Vec<PackedConv>; 2],
    /// Forward units, by visit.
    forward: [Vec<PackedConv>; 4],
    /// From below, levels 1 to 4: pyramid 1 (the upsampled half of the concatenation) and 2.
    up: [Vec<PackedConv>; 2],
    /// The history's half of the concatenation, levels 1 to 4.
    history: Vec<PackedConv>,
    hsa: [Hsa; 4],
    head: PackedConv,
}

impl Sfm {
    fn new() -> Self {
        let c = CHANNELS;
        let down = || {
            (1..5)
                .map(|i| layer(c[i - 1], c[i], 3, 2, 256 >> i))
                .collect()
        };
        let up = || {
            (0..4)
                .map(|i| layer(c[i + 1], c[i], 1, 1, 64 >> i))
                .collect()
        };
        let forward = || (0..5).map(|i| layer(c[i], c[i], 3, 1, 128 >> i)).collect();
        Self {
            stem: layer(3, 32, 3, 2, 256),
            down: [down(), down()],
            forward: [forward(), forward(), forward(), forward()],
            up: [up(), up()],
            history: (0..4).map(|i| layer(c[i], c[i], 1, 1, 128 >> i)).collect(),
            hsa: [Hsa::new(160), Hsa::new(32), Hsa::new(160), Hsa::new(32)],
            head: layer(32, 17, 1, 1, 128),
        }
    }

    fn run(&self, image: &Nhwc, threads: &Threads) -> Nhwc {
        let conv = |w: &PackedConv, x: &Nhwc| conv2d(w, x, Epilogue::RELU, threads);
        let plain = |w: &PackedConv, x: &Nhwc| conv2d(w, x, Epilogue::NONE, threads);
        let stem = conv(&self.stem, image);
        // Every level's latest map.
        let mut at = vec![conv(&self.forward[0][0], &stem)];
        for i in 1..5 {
            let t = conv(&self.down[0][i - 1], &at[i - 1]);
            at.push(conv(&self.forward[0][i], &t));
        }
        let replace = |at: &mut Vec<Nhwc>, i: usize, hsa: usize| {
            let f = std::mem::replace(&mut at[i], image.buffers().map(0, 0, 0, 0));
            at[i] = self.hsa[hsa].apply(f, threads);
        };
        replace(&mut at, 4, 0);
        for i in (0..4).rev() {
            let low = plain(&self.up[0][i], &at[i + 1]);
            let t = conv2d(
                &self.history[i],
                &at[i],
                Epilogue::add_up2(&low, true),
                threads,
            );
            at[i] = conv(&self.forward[1][i], &t);
        }
        replace(&mut at, 0, 1);
        for i in 1..5 {
            let bridge = Epilogue::add(&at[i], true);
            let t = conv2d(&self.down[1][i - 1], &at[i - 1], bridge, threads);
            at[i] = conv(&self.forward[2][i], &t);
        }
        replace(&mut at, 4, 2);
        for i in (0..4).rev() {
            let low = plain(&self.up[1][i], &at[i + 1]);
            let t = upsample_add(&low, 2, &at[i], true, threads);
            at[i] = conv(&self.forward[3][i], &t);
        }
        let mut y = plain(&self.head, &at[0]);
        let p = project(y.channels(16, 1), &[1.0], y.buffers(), threads);
        let (m, d) = self.hsa[3].maps(&p, threads);
        gate(y.channels_mut(0, 16), &m, &d, Some(&[0.1; 16]), threads);
        y
    }
}

#[divan::bench(consts = [1, 2])]
fn sfm<const THREADS: usize>(bencher: Bencher) {
    let threads = Threads::new(THREADS).expect("threads start");
    let network = Sfm::new();
    let image = map(&Buffers::new(), 256, 3);
    bencher
        .counter(ItemsCount::new(1_657_000_000_usize))
        .bench_local(|| threads.install(|| black_box(network.run(&image, &threads))));
}
