//! Part affinity fields of a bottom-up network.

use super::SharedPlanes;
use crate::geometry::Affine2;
use crate::skeleton::Skeleton;

/// Part affinity fields of one region: for every limb and cell a vector that points from the limb's
/// first to its second joint. It is about 1 long where the network is sure that the cell lies on
/// such a limb, and 0 elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct LimbFields {
    /// Two maps per limb, the x and y components, in the order of the skeleton's limbs.
    pub planes: SharedPlanes,
    /// Defines the limbs: the network's own skeleton, which may differ from that of the poses.
    pub skeleton: &'static Skeleton,
    /// Maps cells to image pixels.
    pub image_from_field: Affine2,
}

impl LimbFields {
    /// Returns the x and y components of a limb's field; `None` if there is no such limb.
    pub fn of_limb(&self, limb: usize) -> Option<[&[f32]; 2]> {
        let (x, y) = (2 * limb, 2 * limb + 1);
        let is_whole = self.planes.values.len() == self.planes.n * self.planes.size.area();
        (y < self.planes.n && is_whole).then(|| [x, y].map(|i| self.planes.plane(i)))
    }
}
