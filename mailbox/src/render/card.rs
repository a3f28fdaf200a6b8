//! Contacts and distribution lists as vCard 4.0; calcard writes the grammar.

use super::Properties;
use super::plain::{clean, text_of};
use super::properties::{Labelled, PostalAddress};
use calcard::common::PartialDateTime;
use calcard::vcard::{VCard, VCardEntry, VCardKind, VCardParameter, VCardProperty, VCardType, VCardValue, VCardVersion};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use std::io::{self, Write};

/// Writes a contact.
pub(super) fn write_contact(properties: &Properties, out: &mut impl Write) -> io::Result<()> {
    let contact = &properties.contact;
    let mut card = begin(properties);
    let name = [&contact.surname, &contact.given_name, &contact.middle_name, &contact.prefix, &contact.suffix];
    if name.iter().any(|part| !part.is_empty()) {
        card.entries.push(several(VCardProperty::N, name));
    }
    text(&mut card, VCardProperty::Nickname, &contact.nickname);
    if !contact.company.is_empty() || !contact.department.is_empty() {
        card.entries.push(several(VCardProperty::Org, [&contact.company, &contact.department]));
    }
    text(&mut card, VCardProperty::Title, &contact.job_title);
    text(&mut card, VCardProperty::Role, &contact.profession);
    for email in &contact.emails {
        text(&mut card, VCardProperty::Email, &email.value);
    }
    for phone in &contact.phones {
        card.entries.push(with_types(VCardEntry::new(VCardProperty::Tel).with_value(clean(&phone.value)), phone_types(phone)));
    }
    for address in &contact.instant_messengers {
        text(&mut card, VCardProperty::Impp, &address.value);
    }
    card.entries.extend(contact.addresses.iter().map(postal));
    text(&mut card, VCardProperty::Url, &contact.web_page);
    date(&mut card, VCardProperty::Bday, contact.birthday);
    date(&mut card, VCardProperty::Anniversary, contact.anniversary);
    text(&mut card, VCardProperty::Other("X-MANAGER".to_owned()), &contact.manager);
    text(&mut card, VCardProperty::Other("X-ASSISTANT".to_owned()), &contact.assistant);
    text(&mut card, VCardProperty::Other("X-SPOUSE".to_owned()), &contact.spouse);
    finish(properties, card, out)
}

/// Writes a distribution list as a group.
pub(super) fn write_list(properties: &Properties, out: &mut impl Write) -> io::Result<()> {
    let mut card = begin(properties);
    card.entries.push(VCardEntry::new(VCardProperty::Kind).with_value(VCardKind::Group));
    for member in &properties.members {
        if member.address.is_empty() {
            text(&mut card, VCardProperty::Other("X-MEMBER".to_owned()), &member.name);
        } else {
            text(&mut card, VCardProperty::Member, &format!("mailto:{}", member.address));
        }
    }
    finish(properties, card, out)
}

fn begin(properties: &Properties) -> VCard {
    let contact = &properties.contact;
    let names = [&contact.display_name, &contact.file_as, &properties.subject, &contact.company];
    let first_email = contact.emails.first().map(|email| email.value.as_str()).unwrap_or_default();
    let full_name = names.into_iter().map(|name| name.trim()).find(|name| !name.is_empty()).unwrap_or(first_email);
    let mut card = VCard { entries: Vec::new() };
    card.entries.push(VCardEntry::new(VCardProperty::Prodid).with_value("-//c2b//EN".to_owned()));
    card.entries.push(VCardEntry::new(VCardProperty::Fn).with_value(clean(full_name)));
    text(&mut card, VCardProperty::Uid, &properties.key);
    card
}

fn finish(properties: &Properties, mut card: VCard, out: &mut impl Write) -> io::Result<()> {
    if !properties.categories.is_empty() {
        let values = properties.categories.iter().map(|category| VCardValue::Text(clean(category))).collect();
        card.entries.push(VCardEntry::new(VCardProperty::Categories).with_values(values));
    }
    text(&mut card, VCardProperty::Note, &text_of(properties.body.as_ref()));
    if let Some(modified) = properties.modified {
        card.entries
            .push(VCardEntry::new(VCardProperty::Rev).with_value(VCardValue::PartialDateTime(PartialDateTime::from_utc_timestamp(modified.timestamp()))));
    }
    let mut written = String::new();
    card.write_to(&mut written, VCardVersion::V4_0).map_err(io::Error::other)?;
    out.write_all(written.as_bytes())
}

fn text(card: &mut VCard, property: VCardProperty, value: &str) {
    let value = clean(value);
    if !value.is_empty() {
        card.entries.push(VCardEntry::new(property).with_value(value));
    }
}

fn several<'a>(property: VCardProperty, parts: impl IntoIterator<Item = &'a String>) -> VCardEntry {
    VCardEntry::new(property).with_values(parts.into_iter().map(|part| VCardValue::Text(clean(part))).collect())
}

fn with_types(entry: VCardEntry, types: Vec<VCardType>) -> VCardEntry {
    types.into_iter().fold(entry, |entry, kind| entry.with_param(VCardParameter::typ(kind)))
}

/// Tells the types by the words that the label is made of.
fn phone_types(phone: &Labelled) -> Vec<VCardType> {
    let label = phone.label.to_ascii_lowercase();
    let words = [
        ("business", VCardType::Work),
        ("company", VCardType::Work),
        ("home", VCardType::Home),
        ("mobile", VCardType::Cell),
        ("car", VCardType::Cell),
        ("fax", VCardType::Fax),
        ("pager", VCardType::Pager),
    ];
    words.into_iter().filter(|(word, _)| label.contains(word)).map(|(_, kind)| kind).collect()
}

fn postal(address: &PostalAddress) -> VCardEntry {
    let none = String::new();
    let parts = [&none, &none, &address.street, &address.city, &address.state, &address.postal_code, &address.country];
    let types = match address.label.as_str() {
        "Business" => vec![VCardType::Work],
        "Home" => vec![VCardType::Home],
        _ => Vec::new(),
    };
    with_types(several(VCardProperty::Adr, parts), types)
}

/// Writes the day alone: servers store a birthday as some hour of it, in a zone within half a day of UTC.
fn date(card: &mut VCard, property: VCardProperty, time: Option<DateTime<Utc>>) {
    let Some(day) = time.and_then(|time| time.checked_add_signed(TimeDelta::hours(12))) else { return };
    let part = |number: u32| u8::try_from(number).ok();
    let date = PartialDateTime { year: u16::try_from(day.year()).ok(), month: part(day.month()), day: part(day.day()), ..PartialDateTime::default() };
    card.entries.push(VCardEntry::new(property).with_value(VCardValue::PartialDateTime(date)));
}
