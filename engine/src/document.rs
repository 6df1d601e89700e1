//! TOML files that are also written by other versions of the program.
//!
//! A newer version has additional fields and values. Entries that are not [`understood`] are
//! preserved: a change only writes the values that have changed ([`apply`]), which also keeps two
//! programs from overwriting each other's changes to a file.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::disk::replace;
use crate::error::{Error, Result};

/// Writes `value` as the TOML file `path`, atomically. Entries of the existing file that were written
/// by a newer version and are unknown to `T` stay.
///
/// # Errors
/// When the value cannot be written as TOML, or the file cannot be written.
pub fn write<T: Serialize + DeserializeOwned>(path: &Path, value: &T) -> Result<()> {
    let there = || {
        let mut file: Table = fs::read_to_string(path).ok()?.parse().ok()?;
        let before: T = file.clone().try_into().ok()?;
        apply(&mut file, &before, value).ok()?;
        Some(file)
    };
    let text = there().map_or_else(|| toml::to_string(value), |file| toml::to_string(&file));
    let text = text.map_err(|e| Error::data(path, format!("cannot be written: {e}")))?;
    replace(path, text.as_bytes())
}

/// Parses `table` as far as possible, with the defaults of `T` for the rest. Also returns the names
/// of the values that are not understood, such as `train.epochs`. Unknown fields are ignored.
pub fn understood<T: DeserializeOwned + Default>(table: &Table) -> (T, Vec<String>) {
    if let Ok(whole) = read(table) {
        return (whole, Vec::new());
    }
    let mut taken = Table::new();
    let mut refused = Vec::new();
    add::<T>(&mut taken, &mut Vec::new(), table, &mut refused);
    (read(&taken).unwrap_or_default(), refused)
}

fn read<T: DeserializeOwned>(table: &Table) -> std::result::Result<T, toml::de::Error> {
    table.clone().try_into()
}

/// Adds the values of `table`, which is at `path`, one by one. Returns whether any was accepted.
fn add<T: DeserializeOwned>(
    taken: &mut Table,
    path: &mut Vec<String>,
    table: &Table,
    refused: &mut Vec<String>,
) -> bool {
    let mut is_any_taken = false;
    for (key, value) in table {
        path.push(key.clone());
        let mut trial = taken.clone();
        put(&mut trial, path, value.clone());
        if read::<T>(&trial).is_ok() {
            *taken = trial;
            is_any_taken = true;
        } else {
            let n = refused.len();
            let inner = value.as_table();
            if inner.is_some_and(|inner| add::<T>(taken, path, inner, refused)) {
                is_any_taken = true;
            } else {
                // A table of which nothing is accepted is named as a whole.
                refused.truncate(n);
                refused.push(path.join("."));
            }
        }
        path.pop();
    }
    is_any_taken
}

fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = table
                .entry(key.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Writes the differences between `before` and `after` to `file`; everything else is preserved.
///
/// # Errors
/// When a value has no representation in TOML.
pub fn apply<T: Serialize>(
    file: &mut Table,
    before: &T,
    after: &T,
) -> Result<(), toml::ser::Error> {
    let (before, after) = (Table::try_from(before)?, Table::try_from(after)?);
    apply_table(file, &before, &after);
    Ok(())
}

fn apply_table(file: &mut Table, before: &Table, after: &Table) {
    for (key, new) in after {
        match (before.get(key), file.get_mut(key)) {
            (Some(old), _) if old == new => {}
            (Some(old), Some(there)) => apply_value(there, old, new),
            _ => {
                file.insert(key.clone(), new.clone());
            }
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        file.remove(key);
    }
}

fn apply_value(there: &mut Value, old: &Value, new: &Value) {
    match (there, old, new) {
        (Value::Table(there), Value::Table(old), Value::Table(new)) => apply_table(there, old, new),
        // A list that has grown: existing elements are preserved.
        (Value::Array(there), Value::Array(old), Value::Array(new))
            if there.len() == old.len() && old.len() <= new.len() =>
        {
            for (there, (old, new)) in there.iter_mut().zip(old.iter().zip(new)) {
                if old != new {
                    apply_value(there, old, new);
                }
            }
            there.extend(new.iter().skip(old.len()).cloned());
        }
        (there, _, new) => *there = new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Outer {
        number: u32,
        name: Option<String>,
        inner: Inner,
        places: BTreeMap<String, Place>,
        list: Vec<Place>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Inner {
        colour: Colour,
        width: u32,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    enum Colour {
        #[default]
        Red,
    }

    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    struct Place {
        x: u32,
        y: u32,
    }

    const NEWER: &str = r#"
number = 7
name = "kept"
invented = [1, 2]
[inner]
colour = "Ultraviolet"
width = 3
invented = true
[places.a]
x = 1
y = 2
[places.b]
x = "left"
y = 2
[[list]]
x = 1
y = 1
z = 1
"#;

    /// Fails when one value of a newer version discards all others, or is not named.
    #[test]
    fn an_unknown_value_does_not_affect_others() {
        let (outer, refused) = understood::<Outer>(&NEWER.parse().unwrap());
        assert_eq!((outer.number, outer.name.as_deref()), (7, Some("kept")));
        assert_eq!(outer.inner.width, 3);
        assert_eq!(outer.places.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(refused, ["inner.colour", "places.b"]);
    }

    /// Fails when a change of one value overwrites others that this version does not know, or that
    /// another program has changed meanwhile.
    #[test]
    fn a_change_leaves_everything_else_alone() {
        let mut file: Table = NEWER.parse().unwrap();
        let (before, _) = understood::<Outer>(&file);
        let (mut after, _) = understood::<Outer>(&file);
        after.number = 8;
        after.name = None;
        after.inner.width = 4;
        after.list.push(Place { x: 5, y: 6 });
        // The change made by the other program.
        file.insert("places".to_owned(), Value::Table(Table::new()));
        apply(&mut file, &before, &after).unwrap();
        let expected = r#"
number = 8
invented = [1, 2]
[inner]
colour = "Ultraviolet"
width = 4
invented = true
[places]
[[list]]
x = 1
y = 1
z = 1
[[list]]
x = 5
y = 6
"#;
        assert_eq!(file, expected.parse::<Table>().unwrap());
    }
}
