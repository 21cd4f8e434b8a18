//! `Random`: any distribution in one draw and one comparison.

use super::PlanError;
use super::spec::{check_weight, count};

/// A column of Walker's alias table: the nodes that rolls below the threshold and others lead to.
pub(crate) struct Column {
    pub(crate) threshold: u32,
    pub(crate) below: u32,
    pub(crate) above: u32,
}

/// Walker's alias method as set up by Vose (1991): any distribution in one draw and one comparison.
#[expect(clippy::cast_sign_loss, reason = "what is left of a weight is in 0..1")]
pub(super) fn alias_table(choices: &[(f64, u32)]) -> Result<Box<[Column]>, PlanError> {
    for &(weight, _) in choices {
        check_weight(weight)?;
    }
    let total: f64 = choices.iter().map(|choice| choice.0).sum();
    if !total.is_finite() {
        return Err(PlanError::Weight(total));
    }
    let scale = f64::from(count(choices)?) / total;
    let mut rest: Vec<f64> = choices.iter().map(|choice| choice.0 * scale).collect();
    let mut table: Vec<Column> = choices
        .iter()
        .map(|&(_, node)| Column {
            threshold: u32::MAX,
            below: node,
            above: node,
        })
        .collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..rest.len()).partition(|&index| rest[index] < 1.0);
    while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
        table[less].threshold = (rest[less] * 2_f64.powi(32)) as u32;
        table[less].above = choices[more].1;
        rest[more] -= 1.0 - rest[less];
        if rest[more] < 1.0 {
            large.pop();
            small.push(more);
        }
    }
    Ok(table.into())
}
