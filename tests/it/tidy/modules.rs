//! The modules of a crate, and resolution of paths to modules.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::scan::{Import, Scope, Written, scan};

/// File contents by path relative to the workspace.
pub(super) type Files = BTreeMap<PathBuf, String>;

/// A crate as compiled without tests: its modules are found from the root file by `mod` items.
pub(super) struct Crate {
    /// By path without `crate::`; the root is "".
    modules: BTreeMap<String, Module>,
}

struct Module {
    file: PathBuf,
    scope: Scope,
    names: HashMap<String, Vec<Name>>,
}

enum Name {
    Item,
    Module(String),
    /// The path of the import, as written in this module.
    Import(Vec<String>),
}

/// A path in a crate that refers to an item of the same crate.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub file: PathBuf,
    pub line: usize,
    /// The module that contains it.
    pub from: String,
    /// The innermost module that the path names.
    pub through: String,
    /// The module that defines the item, after following all re-exports.
    pub to: String,
    pub to_file: PathBuf,
    /// Whether it is a `pub use`: re-exported, not used here.
    pub is_reexport: bool,
    /// Whether the path refers to a module rather than an item in one.
    pub is_module: bool,
    pub written: String,
}

/// The target of a path: a module, or an item in it.
struct Target {
    module: String,
    is_module: bool,
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() {
        name.to_owned()
    } else {
        format!("{module}::{name}")
    }
}

fn parent(module: &str) -> Option<&str> {
    match module.rsplit_once("::") {
        Some((parent, _)) => Some(parent),
        None if module.is_empty() => None,
        None => Some(""),
    }
}

impl Crate {
    /// Reads the crate whose root file is `root`.
    pub(super) fn read(files: &Files, root: &str) -> Self {
        let root = Path::new(root);
        let mut modules = BTreeMap::new();
        let folder = root.parent().expect("a root file lies in a folder");
        add(files, root, folder, "", &mut modules);
        let mut this = Self { modules };
        this.collect_names();
        this
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.modules
            .iter()
            .map(|(name, module)| (name.as_str(), module.file.as_path()))
    }

    /// Returns all uses between modules of this crate.
    pub(super) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (name, module) in &self.modules {
            for import in &module.scope.imports {
                uses.extend(self.used(name, module, &import.written, import.is_reexport));
            }
            for written in &module.scope.paths {
                uses.extend(self.used(name, module, written, false));
            }
        }
        uses
    }

    /// Returns the paths in each file that start with the name of another crate or of the language.
    pub(super) fn outside(&self) -> impl Iterator<Item = (&Path, &Written)> {
        self.modules.iter().flat_map(|(name, module)| {
            let imports = module.scope.imports.iter().map(|i| &i.written);
            imports
                .chain(&module.scope.paths)
                .filter(|w| self.resolve(name, &w.path, 0).is_none())
                .map(|w| (module.file.as_path(), w))
        })
    }

    fn used(&self, from: &str, module: &Module, w: &Written, is_reexport: bool) -> Option<Use> {
        let target = self.resolve(from, &w.path, 0)?;
        Some(Use {
            file: module.file.clone(),
            line: w.line,
            from: from.to_owned(),
            through: self.through(from, &w.path),
            to_file: self.modules[&target.module].file.clone(),
            to: target.module,
            is_reexport,
            is_module: target.is_module,
            written: w.path.join("::"),
        })
    }

    fn collect_names(&mut self) {
        for (path, module) in &mut self.modules {
            let scope = &module.scope;
            let mut add = |name: &String, what| {
                module.names.entry(name.clone()).or_default().push(what);
            };
            for name in &scope.items {
                add(name, Name::Item);
            }
            for name in &scope.children {
                add(name, Name::Module(join(path, name)));
            }
            for Import { name, written, .. } in &scope.imports {
                if let Some(name) = name {
                    add(name, Name::Import(written.path.clone()));
                }
            }
        }
    }

    /// Returns the module in which a path's first name is looked up, and the rest of the path.
    fn start<'p>(&self, from: &str, path: &'p [String]) -> Option<(String, &'p [String])> {
        let mut at = from.to_owned();
        let mut rest = path;
        let mut is_absolute = false;
        while let Some((first, behind)) = rest.split_first() {
            match first.as_str() {
                "crate" if !is_absolute => at = String::new(),
                "self" if !is_absolute => {}
                "super" => at.truncate(parent(&at)?.len()),
                _ => break,
            }
            is_absolute = true;
            rest = behind;
        }
        let is_known = is_absolute
            || rest.first().is_some_and(|name| {
                let module = &self.modules[&at];
                module.names.contains_key(name) || self.by_globs(&at, rest, 0).is_some()
            });
        is_known.then_some((at, rest))
    }

    /// Returns the innermost module that `path` names as written, without following re-exports.
    fn through(&self, from: &str, path: &[String]) -> String {
        let Some((mut at, rest)) = self.start(from, path) else {
            return from.to_owned();
        };
        for name in rest {
            let inner = join(&at, name);
            if !self.modules.contains_key(&inner) {
                break;
            }
            at = inner;
        }
        at
    }

    /// Resolves `path` in module `from`; `None` if it leads out of the crate.
    fn resolve(&self, from: &str, path: &[String], depth: usize) -> Option<Target> {
        // An import may refer to itself through another crate of the same name.
        if depth > 20 {
            return None;
        }
        let (at, rest) = self.start(from, path)?;
        let here = |is_module| Target {
            module: at.clone(),
            is_module,
        };
        let Some((name, behind)) = rest.split_first() else {
            return Some(here(true));
        };
        let names = self.modules[&at]
            .names
            .get(name)
            .map_or(&[][..], Vec::as_slice);
        let module = names.iter().find_map(|n| match n {
            Name::Module(inner) => Some(inner),
            _ => None,
        });
        if let Some(inner) = module
            && (!behind.is_empty() || names.len() == 1)
        {
            let mut inside = vec!["self".to_owned()];
            inside.extend_from_slice(behind);
            return self.resolve(inner, &inside, depth + 1);
        }
        for name in names {
            match name {
                Name::Item => return Some(here(false)),
                Name::Import(import) => {
                    let mut whole = import.clone();
                    whole.extend_from_slice(behind);
                    // The name of a crate that is imported by its own name (`use std::mem`).
                    if whole != path {
                        return self.resolve(&at, &whole, depth + 1);
                    }
                }
                Name::Module(_) => {}
            }
        }
        self.by_globs(&at, rest, depth)
            .or_else(|| Some(here(false)))
    }

    /// Resolves `path` among the names that `use ..::*` brings into module `at`.
    fn by_globs(&self, at: &str, path: &[String], depth: usize) -> Option<Target> {
        if depth > 20 {
            return None;
        }
        let imports = self.modules[at].scope.imports.iter();
        imports.filter(|i| i.is_glob).find_map(|glob| {
            // The glob's own path starts with a keyword or with a name declared here.
            let first = glob.written.path.first()?;
            let is_ours = matches!(first.as_str(), "crate" | "self" | "super")
                || self.modules[at].names.contains_key(first);
            let source = is_ours.then(|| self.resolve(at, &glob.written.path, depth + 1))??;
            let module = &self.modules[&source.module];
            let found = source.is_module && module.names.contains_key(path.first()?);
            let mut inside = vec!["self".to_owned()];
            inside.extend_from_slice(path);
            found.then(|| self.resolve(&source.module, &inside, depth + 1))?
        })
    }
}

/// Adds the module of `file` and its children, which are in `folder`.
fn add(
    files: &Files,
    file: &Path,
    folder: &Path,
    path: &str,
    modules: &mut BTreeMap<String, Module>,
) {
    let text = &files[file];
    let scopes = scan(text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut inner: Vec<String> = Vec::new();
    for scope in scopes {
        let module = scope
            .inside
            .iter()
            .fold(path.to_owned(), |m, n| join(&m, n));
        let folder = scope
            .inside
            .iter()
            .fold(folder.to_owned(), |f, n| f.join(n));
        for child in &scope.children {
            let flat = folder.join(format!("{child}.rs"));
            let nested = folder.join(child).join("mod.rs");
            let file = if files.contains_key(&flat) {
                flat
            } else {
                nested
            };
            assert!(
                files.contains_key(&file),
                "no file of mod {child}: {}",
                file.display()
            );
            add(
                files,
                &file,
                &folder.join(child),
                &join(&module, child),
                modules,
            );
        }
        if !scope.inside.is_empty() {
            inner.push(module.clone());
        }
        let names = HashMap::new();
        let file = file.to_owned();
        modules.insert(module, Module { file, scope, names });
    }
    // An inline module is a name of the module around it.
    for module in inner {
        let (around, name) = module.rsplit_once("::").unwrap_or(("", &module));
        let scope = &mut modules.get_mut(around).expect("it was added").scope;
        scope.children.push(name.to_owned());
    }
}
