//! The PoseLens window and command line.
