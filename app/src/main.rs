//! The `poselens` program.

use std::process::ExitCode;

use poselens_engine::block_cache::BlockCache;

#[global_allocator]
static BLOCKS: BlockCache = BlockCache;

fn main() -> ExitCode {
    poselens_app::main()
}
