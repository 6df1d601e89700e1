//! Where to look next, who is who, and calm joints.
