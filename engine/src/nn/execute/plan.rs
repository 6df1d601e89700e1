//! [`Plan`]: the order of operations and the memory of their results for some outputs of a graph.
//!
//! Results are stored in *slots*. A slot is free again after the last operation that reads it, and
//! the next result takes the free slot that fits best, so that a network needs few of them and
//! memory stays in the cache.

use crate::nn::graph::{Graph, ValueId};

/// One operation of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Index of the node.
    pub(super) node: usize,
    /// Slots of the operands.
    pub(super) inputs: Vec<usize>,
    /// Slot of the result; that of the first operand if the operation works in place.
    pub(super) output: usize,
}

/// Operations and memory for some outputs of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The values that are kept until the end.
    pub(super) outputs: Vec<ValueId>,
    /// Operations in order.
    pub(super) steps: Vec<Step>,
    /// Slots of the graph's inputs; `None` where no operation reads it.
    pub(super) inputs: Vec<Option<usize>>,
    /// Size of each slot in values per image.
    pub(super) slots: Vec<usize>,
    /// Slot of each of `outputs`.
    pub(super) results: Vec<usize>,
}

/// Slots during planning.
#[derive(Default)]
struct Slots {
    sizes: Vec<usize>,
    free: Vec<usize>,
}

impl Slots {
    /// Takes the smallest free slot that is large enough, otherwise the largest one, which grows.
    fn take(&mut self, len: usize) -> usize {
        let fits = |slot: &usize| self.sizes[*slot] >= len;
        let by_size = |slot: &usize| self.sizes[*slot];
        let smallest = self.free.iter().copied().filter(fits).min_by_key(by_size);
        let chosen = smallest.or_else(|| self.free.iter().copied().max_by_key(by_size));
        let Some(slot) = chosen else {
            self.sizes.push(len);
            return self.sizes.len() - 1;
        };
        self.free.retain(|other| *other != slot);
        self.sizes[slot] = self.sizes[slot].max(len);
        slot
    }
}

impl Plan {
    /// Plans the computation of `outputs`.
    pub(super) fn new(graph: &Graph, outputs: &[ValueId]) -> Self {
        let needed = graph.needed(outputs);
        // Number of operations that still read each value; outputs are read once more, at the end.
        let mut readers = vec![0_usize; graph.values.len()];
        let reads = needed.iter().flat_map(|&i| &graph.nodes[i].inputs);
        for value in reads.chain(outputs) {
            readers[value.0] += 1;
        }
        let mut slots = Slots::default();
        let mut slot_of = vec![None; graph.values.len()];
        let inputs = graph.inputs.iter().map(|input| {
            let is_read = readers[input.0] > 0;
            let slot = is_read.then(|| slots.take(graph.shape(*input).len()));
            slot_of[input.0] = slot;
            slot
        });
        let inputs: Vec<Option<usize>> = inputs.collect();
        let mut steps = Vec::with_capacity(needed.len());
        for i in needed {
            let node = &graph.nodes[i];
            let len = graph.shape(node.output).len();
            let operands: Vec<usize> = node.inputs.iter().filter_map(|v| slot_of[v.0]).collect();
            for value in &node.inputs {
                readers[value.0] -= 1;
            }
            let first = node.inputs[0];
            let is_last = readers[first.0] == 0 && !node.inputs[1..].contains(&first);
            let fits = graph.shape(first).len() == len;
            let output = if node.op.is_in_place() && is_last && fits {
                operands[0]
            } else {
                slots.take(len)
            };
            for (value, &slot) in node.inputs.iter().zip(&operands) {
                let is_free = readers[value.0] == 0 && slot != output;
                if is_free && !slots.free.contains(&slot) {
                    slots.free.push(slot);
                }
            }
            slot_of[node.output.0] = Some(output);
            steps.push(Step {
                node: i,
                inputs: operands,
                output,
            });
        }
        Self {
            outputs: outputs.to_vec(),
            steps,
            inputs,
            slots: slots.sizes,
            results: outputs.iter().filter_map(|v| slot_of[v.0]).collect(),
        }
    }
}
