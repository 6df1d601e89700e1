//! Run-time detection of the instruction set on which the kernels run.

use super::simd::{Job, Portable, Simd};
#[cfg(target_arch = "aarch64")]
use super::simd_neon::Neon;
#[cfg(target_arch = "x86_64")]
use super::simd_x86::{Avx2, Avx512};
use crate::{Error, Result};

/// Environment variable that overrides [`Isa::detect`] in [`Isa::from_env`].
pub const ISA_VARIABLE: &str = "POSELENS_ISA";

/// An instruction set detected on this CPU; a value cannot denote an unavailable one.
#[derive(Clone, Copy)]
pub struct Isa(Kind);

#[derive(Clone, Copy)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    Portable,
}

impl Isa {
    /// Returns all instruction sets of this CPU that have kernels, fastest first.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx512::new().map(|token| Self(Kind::Avx512(token))));
            all.extend(Avx2::new().map(|token| Self(Kind::Avx2(token))));
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Self(Kind::Neon(Neon)));
        all.push(Self(Kind::Portable));
        all
    }

    /// Returns the fastest instruction set of this CPU.
    pub fn detect() -> Self {
        Self::available()
            .first()
            .copied()
            .unwrap_or(Self(Kind::Portable))
    }

    /// Returns the instruction set named `name`; the error lists those available.
    pub fn by_name(name: &str) -> Result<Self> {
        let all = Self::available();
        all.iter()
            .copied()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| {
                let names: Vec<_> = all.iter().map(Self::name).collect();
                Error::Invalid(format!(
                    "this CPU has no kernels called {name}; choose one of {}",
                    names.join(", ")
                ))
            })
    }

    /// Returns the instruction set named by [`ISA_VARIABLE`], or the fastest if it is unset or
    /// empty.
    pub fn from_env() -> Result<Self> {
        match std::env::var(ISA_VARIABLE) {
            Ok(name) if !name.is_empty() => Self::by_name(&name),
            _ => Ok(Self::detect()),
        }
    }

    /// Returns `avx512`, `avx2`, `neon` or `portable`.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "used as a path in map")]
    pub fn name(&self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
            Kind::Portable => "portable",
        }
    }

    /// Runs a kernel body compiled for this instruction set.
    pub(crate) fn run<J: Job>(self, job: J) -> J::Out {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(s) => s.enter(job),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(s) => s.enter(job),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(s) => s.enter(job),
            Kind::Portable => Portable.enter(job),
        }
    }
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a listed instruction set cannot be selected by its own name, or an unknown name
    /// silently falls back instead of listing the available ones.
    #[test]
    fn names_round_trip_and_unknown_ones_are_refused() {
        for isa in Isa::available() {
            assert_eq!(Isa::by_name(isa.name()).unwrap().name(), isa.name());
        }
        let message = Isa::by_name("mmx").unwrap_err().to_string();
        assert!(message.contains("portable"), "{message}");
    }
}
