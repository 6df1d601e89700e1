//! Shapes of convolutions.

/// Shape of a square convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Number of input channels.
    pub cin: usize,
    /// Number of output channels.
    pub cout: usize,
    /// Side of the kernel in pixels.
    pub kernel: usize,
    /// Stride: input pixels between output pixels.
    pub stride: usize,
    /// Zero padding on each side of the input, in pixels.
    pub pad: usize,
}

impl ConvShape {
    /// Returns a `kernel` x `kernel` convolution from `cin` to `cout` channels with padding `kernel
    /// / 2`.
    pub const fn same(cin: usize, cout: usize, kernel: usize, stride: usize) -> Self {
        Self {
            cin,
            cout,
            kernel,
            stride,
            pad: kernel / 2,
        }
    }

    /// Returns the output length along an axis of length `n`; 0 when the kernel does not fit.
    pub const fn out(&self, n: usize) -> usize {
        let padded = n + 2 * self.pad;
        if padded < self.kernel {
            0
        } else {
            (padded - self.kernel) / self.stride + 1
        }
    }

    /// Returns the multiply-adds for an `h` x `w` input.
    pub const fn macs(&self, h: usize, w: usize) -> usize {
        self.out(h) * self.out(w) * self.cin * self.cout * self.kernel * self.kernel
    }

    /// Returns the number of weights.
    pub const fn weights(&self) -> usize {
        self.cin * self.cout * self.kernel * self.kernel
    }
}
