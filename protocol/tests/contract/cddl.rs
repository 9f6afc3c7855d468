//! The part of CDDL (RFC 8610) that SPEC is written in: reads its rules, and checks bytes against one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use minicbor::Decoder;
use minicbor::data::Type as Cbor;

/// A type as written.
#[derive(Clone, Debug, PartialEq)]
enum Type {
    Choice(Vec<Type>),
    Number(i64),
    Uint,
    Text,
    Bool,
    Bytes(Option<usize>),
    Inside(Box<Type>),
    Map(Vec<(bool, i64, Type)>),
    Array(Vec<(usize, usize, Type)>),
    Name(String, Vec<Type>),
}

struct Rule {
    chapter: String,
    parameters: Vec<String>,
    body: Type,
}

/// All rules of SPEC, and which of them bytes have been checked against.
pub(crate) struct Cddl {
    rules: BTreeMap<String, Rule>,
    reached: RefCell<BTreeSet<String>>,
}

impl Cddl {
    pub(crate) fn of(spec: &str) -> Self {
        let mut rules = BTreeMap::new();
        for chapter in spec.split("\n## ").skip(1) {
            let number = chapter.split(' ').next().unwrap();
            for block in chapter.split("```cddl\n").skip(1) {
                let block = block.split("```").next().unwrap();
                let code = block.lines().map(|line| line.split(';').next().unwrap()).collect::<Vec<_>>().join("\n");
                let mut parser = Parser { tokens: tokens(&code), at: 0 };
                while parser.at < parser.tokens.len() {
                    let name = parser.next();
                    let parameters = if parser.take("<") { parser.names() } else { Vec::new() };
                    parser.expect("=");
                    let body = parser.choice();
                    let rule = Rule { chapter: number.to_owned(), parameters, body };
                    assert!(rules.insert(name.clone(), rule).is_none(), "{name} is written twice");
                }
            }
        }
        Self { rules, reached: RefCell::default() }
    }

    /// Rules of some chapters that nothing has been checked against.
    pub(crate) fn unreached(&self, but: &[&str]) -> Vec<&str> {
        let reached = self.reached.borrow();
        let rest =
            self.rules.iter().filter(|(name, rule)| !but.contains(&rule.chapter.as_str()) && !reached.contains(*name));
        rest.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether the bytes are one item of the rule and nothing else.
    pub(crate) fn check(&self, rule: &str, bytes: &[u8]) -> Result<(), String> {
        self.fill(&Type::Name(rule.to_owned(), Vec::new()), bytes)
    }

    fn fill(&self, of: &Type, bytes: &[u8]) -> Result<(), String> {
        let mut decoder = Decoder::new(bytes);
        self.item(of, &mut decoder)?;
        if decoder.position() == bytes.len() { Ok(()) } else { Err("bytes are left".to_owned()) }
    }

    fn item(&self, of: &Type, d: &mut Decoder<'_>) -> Result<(), String> {
        let fault = |fault: minicbor::decode::Error| format!("{of:?}: {fault}");
        match of {
            Type::Choice(types) => {
                let start = d.position();
                let mut faults = Vec::new();
                for one in types {
                    d.set_position(start);
                    match self.item(one, d) {
                        Ok(()) => return Ok(()),
                        Err(fault) => faults.push(fault),
                    }
                }
                // The alternative that came furthest is usually the one that was meant.
                Err(faults.into_iter().max_by_key(String::len).unwrap())
            }
            Type::Number(number) => match d.i64().map_err(fault)? {
                found if found == *number => Ok(()),
                found => Err(format!("{found} is not {number}")),
            },
            Type::Uint => d.u64().map(drop).map_err(fault),
            Type::Text => d.str().map(drop).map_err(fault),
            Type::Bool => d.bool().map(drop).map_err(fault),
            Type::Bytes(size) => match (d.bytes().map_err(fault)?.len(), size) {
                (found, Some(size)) if found != *size => Err(format!("{found} bytes, not {size}")),
                _ => Ok(()),
            },
            Type::Inside(inner) => {
                let bytes = d.bytes().map_err(fault)?;
                self.fill(inner, bytes)
            }
            Type::Array(items) => {
                let mut left = d.array().map_err(fault)?.ok_or("indefinite array")?;
                for (least, most, one) in items {
                    let mut count = 0;
                    while left > 0 && count < *most {
                        self.item(one, d)?;
                        left -= 1;
                        count += 1;
                    }
                    if count < *least {
                        return Err(format!("{count} items, not {least}"));
                    }
                }
                if left == 0 { Ok(()) } else { Err(format!("{left} items too many")) }
            }
            Type::Map(fields) => {
                let mut left = d.map().map_err(fault)?.ok_or("indefinite map")?;
                for (optional, key, one) in fields {
                    let here =
                        left > 0 && d.datatype().is_ok_and(|t| t == Cbor::U8) && d.probe().i64().ok() == Some(*key);
                    if here {
                        d.skip().map_err(fault)?;
                        self.item(one, d).map_err(|fault| format!("{key}: {fault}"))?;
                        left -= 1;
                    } else if !optional {
                        return Err(format!("no field {key}"));
                    }
                }
                if left == 0 { Ok(()) } else { Err("fields that are not written, or out of order".to_owned()) }
            }
            Type::Name(name, arguments) => {
                let rule = self.rules.get(name).ok_or_else(|| format!("no rule {name}"))?;
                let body = rule
                    .parameters
                    .iter()
                    .zip(arguments)
                    .fold(rule.body.clone(), |body, (parameter, given)| replaced(body, parameter, given));
                self.item(&body, d).map_err(|fault| format!("{name}: {fault}"))?;
                self.reached.borrow_mut().insert(name.clone());
                Ok(())
            }
        }
    }
}

fn replaced(of: Type, parameter: &str, given: &Type) -> Type {
    let again = |of: Type| replaced(of, parameter, given);
    match of {
        Type::Name(name, _) if name == parameter => given.clone(),
        Type::Name(name, arguments) => Type::Name(name, arguments.into_iter().map(again).collect()),
        Type::Choice(types) => Type::Choice(types.into_iter().map(again).collect()),
        Type::Inside(inner) => Type::Inside(Box::new(again(*inner))),
        Type::Array(items) => Type::Array(items.into_iter().map(|(l, m, of)| (l, m, again(of))).collect()),
        Type::Map(fields) => Type::Map(fields.into_iter().map(|(o, k, of)| (o, k, again(of))).collect()),
        other @ (Type::Number(_) | Type::Uint | Type::Text | Type::Bool | Type::Bytes(_)) => other,
    }
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in code.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '\'' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(core::mem::take(&mut word));
        }
        if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    tokens
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

impl Parser {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let token = self.peek(0).to_owned();
        self.at += 1;
        token
    }

    fn take(&mut self, token: &str) -> bool {
        let here = self.peek(0) == token;
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, token: &str) {
        assert!(self.take(token), "{token} expected before {:?}", self.tokens.get(self.at..self.at + 5));
    }

    fn names(&mut self) -> Vec<String> {
        let mut names = vec![self.next()];
        while self.take(",") {
            names.push(self.next());
        }
        self.expect(">");
        names
    }

    fn choice(&mut self) -> Type {
        let mut types = vec![self.one()];
        while self.take("/") {
            types.push(self.one());
        }
        if types.len() == 1 { types.remove(0) } else { Type::Choice(types) }
    }

    fn one(&mut self) -> Type {
        let token = self.next();
        match token.as_str() {
            "{" => self.map(),
            "[" => self.array(),
            "uint" => Type::Uint,
            "tstr" => Type::Text,
            "bool" => Type::Bool,
            "h''" => Type::Bytes(Some(0)),
            "bytes" if self.take(".size") => Type::Bytes(Some(self.next().parse().unwrap())),
            "bytes" if self.take(".cbor") => Type::Inside(Box::new(self.one())),
            "bytes" => Type::Bytes(None),
            word => match word.parse() {
                Ok(number) => Type::Number(number),
                Err(_) => {
                    let mut arguments = Vec::new();
                    if self.take("<") {
                        arguments.push(self.choice());
                        while self.take(",") {
                            arguments.push(self.choice());
                        }
                        self.expect(">");
                    }
                    Type::Name(token, arguments)
                }
            },
        }
    }

    fn map(&mut self) -> Type {
        let mut fields = Vec::new();
        while !self.take("}") {
            let optional = self.take("?");
            let key = self.next().parse().unwrap();
            self.expect(":");
            fields.push((optional, key, self.choice()));
            self.take(",");
        }
        Type::Map(fields)
    }

    fn array(&mut self) -> Type {
        let mut items = Vec::new();
        while !self.take("]") {
            let (least, most) = if self.take("*") {
                (0, usize::MAX)
            } else if self.take("+") {
                (1, usize::MAX)
            } else if self.peek(1) == "*" {
                let least = self.next().parse().unwrap();
                self.expect("*");
                (least, self.next().parse().unwrap())
            } else {
                (1, 1)
            };
            items.push((least, most, self.choice()));
            self.take(",");
        }
        Type::Array(items)
    }
}

#[test]
fn the_checker_refuses_what_the_rule_does_not_say() {
    let cddl =
        Cddl::of("\n## 1 x\n```cddl\na<T> = { 0: T, ? 1: [1*2 b] } ; c\nb = 0 / bytes .size 2\nc = a<uint>\n```");
    let check = |bytes: &[u8]| cddl.check("c", bytes).is_ok();
    assert!(check(&[0xa1, 0, 5]));
    assert!(check(&[0xa2, 0, 5, 1, 0x81, 0]));
    assert!(check(&[0xa2, 0, 5, 1, 0x82, 0, 0x42, 9, 9]));
    assert!(!check(&[0xa1, 0, 0x40]), "bytes for a number");
    assert!(!check(&[0xa2, 0, 5, 1, 0x80]), "too few items");
    assert!(!check(&[0xa2, 0, 5, 1, 0x83, 0, 0, 0]), "too many items");
    assert!(!check(&[0xa2, 0, 5, 1, 0x81, 1]), "no such choice");
    assert!(!check(&[0xa2, 0, 5, 2, 0]), "a field that is not written");
    assert!(!check(&[0xa1, 1, 0x81, 0]), "a field is missing");
    assert!(!check(&[0xa1, 0, 5, 0]), "bytes after it");
    assert!(cddl.unreached(&[]).is_empty());
}
