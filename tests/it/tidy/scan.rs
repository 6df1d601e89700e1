//! Declarations and paths of a source file outside its tests, as read from its syntax tree.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Meta, Token, TraitItem, UseTree, Visibility};

/// A path as written, segment by segment, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub path: Vec<String>,
    pub line: usize,
}

/// One leaf of a `use` item.
#[derive(Debug, Clone)]
pub(super) struct Import {
    /// The name it has in this module; none for `*` and `_`.
    pub name: Option<String>,
    pub is_glob: bool,
    /// Whether other modules may use it from here (`pub use`, `pub(crate) use` and the like).
    pub is_reexport: bool,
    pub written: Written,
}

/// A module: that of a file, or an inline one (`mod inner { .. }`).
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Path of inline modules from the file's own module.
    pub inside: Vec<String>,
    pub items: Vec<String>,
    /// Modules with a file of their own (`mod name;`).
    pub children: Vec<String>,
    pub imports: Vec<Import>,
    /// Every path in code, macros and attributes.
    pub paths: Vec<Written>,
}

/// Scans a file. The first scope is that of the file's own module. Test-only items are skipped
/// individually.
pub(super) fn scan(text: &str) -> syn::Result<Vec<Scope>> {
    let file = syn::parse_file(text)?;
    let mut scanner = Scanner {
        done: Vec::new(),
        open: vec![Scope::default()],
        blocks: 0,
    };
    if !is_test_only(&file.attrs) {
        scanner.visit_file(&file);
    }
    let mut scopes = scanner.open;
    scopes.append(&mut scanner.done);
    Ok(scopes)
}

/// Returns whether `#[cfg(test)]` or `#[cfg(all(test, ..))]` is among the attributes.
fn is_test_only(attrs: &[Attribute]) -> bool {
    fn needs_test(meta: &Meta) -> bool {
        match meta {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .is_ok_and(|inner| inner.iter().any(needs_test)),
            _ => false,
        }
    }
    attrs.iter().any(|attr| {
        attr.path().is_ident("cfg")
            && attr
                .parse_args::<Meta>()
                .is_ok_and(|meta| needs_test(&meta))
    })
}

struct Scanner {
    done: Vec<Scope>,
    /// The file's module and the inline modules around the current position.
    open: Vec<Scope>,
    /// Depth of blocks at the current position: items in a block are not names of the module.
    blocks: usize,
}

impl Scanner {
    fn scope(&mut self) -> &mut Scope {
        self.open.last_mut().expect("the file's scope stays open")
    }

    fn declare(&mut self, name: &syn::Ident) {
        if self.blocks == 0 {
            let name = name.to_string();
            self.scope().items.push(name);
        }
    }

    fn path(&mut self, path: Vec<String>, line: usize) {
        self.scope().paths.push(Written { path, line });
    }

    fn import(&mut self, tree: &UseTree, mut path: Vec<String>, is_reexport: bool) {
        let (ident, name, is_glob) = match tree {
            UseTree::Path(at) => {
                path.push(at.ident.to_string());
                return self.import(&at.tree, path, is_reexport);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path.clone(), is_reexport);
                }
                return;
            }
            UseTree::Name(at) => (Some(&at.ident), Some(at.ident.to_string()), false),
            UseTree::Rename(at) => (Some(&at.ident), Some(at.rename.to_string()), false),
            UseTree::Glob(_) => (None, None, true),
        };
        let line = match (ident, tree) {
            (Some(ident), _) => ident.span().start().line,
            (None, UseTree::Glob(glob)) => glob.star_token.spans[0].start().line,
            _ => 0,
        };
        let mut name = name.filter(|name| name != "_");
        match ident {
            // `use a::b::{self}` imports `a::b`.
            Some(ident) if ident == "self" => {
                name = name.filter(|name| name != "self").or(path.last().cloned());
            }
            Some(ident) => path.push(ident.to_string()),
            None => {}
        }
        self.scope().imports.push(Import {
            name,
            is_glob,
            is_reexport,
            written: Written { path, line },
        });
    }

    /// Collects the paths in the tokens of a macro or attribute. Single lower-case names are
    /// skipped: they are variables, arguments and keywords.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == c);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => {
                    debug_assert!(group.delimiter() != Delimiter::None);
                    self.tokens(group.stream());
                }
                TokenTree::Ident(first) => {
                    let is_field = at >= 2 && is(at - 2, '.') && !(at >= 3 && is(at - 3, '.'));
                    let mut path = vec![first.to_string()];
                    while is(at, ':')
                        && is(at + 1, ':')
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 2)
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    let is_type = path[0].starts_with(char::is_uppercase);
                    if !is_field && (path.len() > 1 || is_type) {
                        self.path(path, first.span().start().line);
                    }
                }
                // `#[serde(with = "crate::name")]`
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                        && text.value().contains("::")
                        && let Ok(path) = text.parse::<syn::Path>()
                    {
                        self.syn_path(&path, literal.span().start().line);
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    fn syn_path(&mut self, path: &syn::Path, line: usize) {
        if path.leading_colon.is_none() {
            let names = path.segments.iter().map(|s| s.ident.to_string());
            self.path(names.collect(), line);
        }
    }
}

/// A visit that skips test-only items.
macro_rules! unless_test {
    ($($visit:ident: $node:ident),*) => {$(
        fn $visit(&mut self, node: &'ast syn::$node) {
            if !is_test_only(&node.attrs) {
                visit::$visit(self, node);
            }
        }
    )*};
}

impl<'ast> Visit<'ast> for Scanner {
    unless_test!(visit_field: Field, visit_variant: Variant, visit_arm: Arm,
        visit_field_value: FieldValue, visit_local: Local, visit_stmt_macro: StmtMacro);

    fn visit_item(&mut self, item: &'ast Item) {
        let (attrs, name) = match item {
            Item::Const(i) => (&i.attrs, Some(&i.ident)),
            Item::Enum(i) => (&i.attrs, Some(&i.ident)),
            Item::Fn(i) => (&i.attrs, Some(&i.sig.ident)),
            Item::Macro(i) => (&i.attrs, i.ident.as_ref()),
            Item::Static(i) => (&i.attrs, Some(&i.ident)),
            Item::Struct(i) => (&i.attrs, Some(&i.ident)),
            Item::Trait(i) => (&i.attrs, Some(&i.ident)),
            Item::TraitAlias(i) => (&i.attrs, Some(&i.ident)),
            Item::Type(i) => (&i.attrs, Some(&i.ident)),
            Item::Union(i) => (&i.attrs, Some(&i.ident)),
            Item::ExternCrate(i) => (&i.attrs, None),
            Item::ForeignMod(i) => (&i.attrs, None),
            Item::Impl(i) => (&i.attrs, None),
            Item::Mod(i) => (&i.attrs, None),
            Item::Use(i) => (&i.attrs, None),
            _ => panic!("a form of item that is not known here"),
        };
        if is_test_only(attrs) {
            return;
        }
        if let Some(name) = name {
            self.declare(name);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attrs = match item {
            ImplItem::Const(i) => &i.attrs,
            ImplItem::Fn(i) => &i.attrs,
            ImplItem::Type(i) => &i.attrs,
            ImplItem::Macro(i) => &i.attrs,
            _ => panic!("a form of item that is not known here"),
        };
        if !is_test_only(attrs) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attrs = match item {
            TraitItem::Const(i) => &i.attrs,
            TraitItem::Fn(i) => &i.attrs,
            TraitItem::Type(i) => &i.attrs,
            TraitItem::Macro(i) => &i.attrs,
            _ => panic!("a form of item that is not known here"),
        };
        if !is_test_only(attrs) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let name = module.ident.to_string();
        let Some((_, items)) = &module.content else {
            let moved = module.attrs.iter().any(|a| a.path().is_ident("path"));
            assert!(!moved, "mod {name}: #[path] is not followed");
            self.scope().children.push(name);
            return;
        };
        let mut inside = self.scope().inside.clone();
        inside.push(name);
        self.open.push(Scope {
            inside,
            ..Scope::default()
        });
        for item in items {
            self.visit_item(item);
        }
        let scope = self.open.pop().expect("it was opened above");
        self.done.push(scope);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            let is_reexport = !matches!(item.vis, Visibility::Inherited);
            self.import(&item.tree, Vec::new(), is_reexport);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.blocks += 1;
        visit::visit_block(self, block);
        self.blocks -= 1;
    }

    /// `pub(super)` and `pub(in path)` are not uses.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            self.syn_path(path, first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        if let Meta::List(list) = &attr.meta {
            self.tokens(list.tokens.clone());
        }
    }
}
