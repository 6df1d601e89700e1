//! Thumbnails of self-attention, one per layer and head: computed on their own thread, because one
//! column of an attention matrix costs as much as the whole matrix.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eframe::egui::ColorImage;
use poselens_engine::concurrency::{Slot, StopFlag, Worker};
use poselens_engine::error::Result;
use poselens_engine::geometry::Point;
use poselens_engine::nn::kernels::Threads;
use poselens_engine::output::{AttentionMap, Direction, PoseOutput, QueryKey};
use poselens_engine::pipeline::N_INSPECTED;
use poselens_shaders::colormap::{ColorMap, sample};

use crate::gui::views::inspect::shown;
use crate::gui::waker::Waker;

/// How often the thread checks whether it should stop.
const POLL: Duration = Duration::from_millis(100);

/// Identifies a grid: a prediction, a direction, and a position in the image.
#[derive(Debug, Clone)]
pub struct GridKey {
    /// The prediction.
    pub output: Arc<PoseOutput>,
    /// Position in image pixels.
    pub point: Point,
    /// Direction in which attention is read.
    pub direction: Direction,
}

impl PartialEq for GridKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.output, &other.output)
            && self.point == other.point
            && self.direction == other.direction
    }
}

/// One thumbnail.
#[derive(Debug)]
pub struct Cell {
    /// Attention head; `None` averages all heads.
    pub head: Option<usize>,
    /// Attention values.
    pub map: AttentionMap,
    /// The values as colours, one pixel each.
    pub image: ColorImage,
}

/// Thumbnails of one layer.
#[derive(Debug)]
pub struct GridLayer {
    /// Name of the layer in the model.
    pub name: String,
    /// Layer index, from 0.
    pub layer: usize,
    /// Heads in order, then their mean.
    pub cells: Vec<Cell>,
}

/// All thumbnails of one prediction and position.
#[derive(Debug)]
pub struct Grid {
    /// What they show.
    pub key: GridKey,
    /// In execution order; empty if the position is outside the region the network saw.
    pub layers: Vec<GridLayer>,
}

type Answers = Mutex<[Option<Result<Arc<Grid>>>; N_INSPECTED]>;

/// Handle of the thread.
#[derive(Debug)]
pub(super) struct AttentionGrid {
    wanted: Slot<[Option<GridKey>; N_INSPECTED]>,
    made: Arc<Answers>,
    worker: Option<Worker>,
}

impl AttentionGrid {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(super) fn start(waker: Waker) -> Result<Self> {
        let wanted: Slot<[Option<GridKey>; N_INSPECTED]> = Slot::new();
        let made = Arc::new(Answers::default());
        let (requests, answers) = (wanted.clone(), Arc::clone(&made));
        let worker = Worker::spawn(
            "attention grid",
            StopFlag::new(),
            move |stop| {
                let threads = Threads::new(0)?;
                while !stop.is_stopped() {
                    let Some(keys) = requests.take_timeout(POLL) else {
                        continue;
                    };
                    for (slot, key) in keys.into_iter().enumerate() {
                        let Some(key) = key else { continue };
                        let grid = grid(key, &threads).map(Arc::new);
                        answers.lock().unwrap_or_else(PoisonError::into_inner)[slot] = Some(grid);
                        waker.wake();
                    }
                }
                Ok(())
            },
            |error| tracing::error!(%error, "self-attention cannot be shown"),
        )?;
        Ok(Self {
            wanted,
            made,
            worker: Some(worker),
        })
    }

    /// Requests grids; a newer request replaces an older one.
    pub(super) fn request(&self, keys: [Option<GridKey>; N_INSPECTED]) {
        self.wanted.put(keys);
    }

    /// Takes the grid of a slot if one was finished since the last call.
    pub(super) fn take(&self, slot: usize) -> Option<Result<Arc<Grid>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)[slot].take()
    }
}

impl Drop for AttentionGrid {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.detach();
        }
    }
}

fn grid(key: GridKey, threads: &Threads) -> Result<Grid> {
    let region = shown::region(&key.output, Some(key.point));
    let layers = region.into_iter().flat_map(|r| &r.query_key);
    let layers = layers
        .filter_map(|layer| layer_pictures(layer, &key, threads).transpose())
        .collect::<Result<_>>()?;
    Ok(Grid { key, layers })
}

/// Returns the thumbnails of a layer; `None` if the position is outside its region.
fn layer_pictures(layer: &QueryKey, key: &GridKey, threads: &Threads) -> Result<Option<GridLayer>> {
    let Some(token) = layer.token_at(key.point) else {
        return Ok(None);
    };
    // With a single head, the mean is that head.
    let heads = (0..layer.heads).map(Some).filter(|_| layer.heads > 1);
    let cells = heads
        .chain([None])
        .map(|head| {
            let map = layer.as_map(key.direction, token, head, threads)?;
            let image = picture(&map);
            Ok(Cell { head, map, image })
        })
        .collect::<Result<_>>()?;
    Ok(Some(GridLayer {
        name: layer.name.clone(),
        layer: layer.layer,
        cells,
    }))
}

fn picture(map: &AttentionMap) -> ColorImage {
    let (lo, hi) = map.range;
    let size = [map.map.size.width, map.map.size.height];
    let values = map.map.values.iter();
    let rgb: Vec<u8> = values
        .flat_map(|v| {
            sample(
                ColorMap::Viridis,
                (v - lo) / (hi - lo).max(f32::MIN_POSITIVE),
            )
        })
        .collect();
    ColorImage::from_rgb(size, &rgb)
}
