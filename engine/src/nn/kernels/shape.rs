//! The geometry of a convolution.

/// The geometry of a square convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Pixels between output pixels.
    pub stride: usize,
    /// Zeros around the input.
    pub pad: usize,
}

impl ConvShape {
    /// `cin -> cout`, `kernel` x `kernel`, padded by `kernel / 2`.
    pub const fn same(cin: usize, cout: usize, kernel: usize, stride: usize) -> Self {
        Self {
            cin,
            cout,
            kernel,
            stride,
            pad: kernel / 2,
        }
    }

    /// Output length along an axis of length `n`; 0 when the kernel does not fit.
    pub const fn out(&self, n: usize) -> usize {
        let padded = n + 2 * self.pad;
        if padded < self.kernel {
            0
        } else {
            (padded - self.kernel) / self.stride + 1
        }
    }

    /// Multiply-adds for an `h` x `w` input.
    pub const fn macs(&self, h: usize, w: usize) -> usize {
        self.out(h) * self.out(w) * self.cin * self.cout * self.kernel * self.kernel
    }

    /// Number of weights.
    pub const fn weights(&self) -> usize {
        self.cin * self.cout * self.kernel * self.kernel
    }
}
