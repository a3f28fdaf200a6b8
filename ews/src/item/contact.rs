//! `ContactItemType`.

use super::value::date_time;
use crate::xml::{Element, XmlError, XmlReader};
use c2b_mailbox::render::{Contact, Labelled, PostalAddress};

/// Reads a contact's property, or passes over an unknown one.
pub(super) fn read(contact: &mut Contact, property: &Element, xml: &mut XmlReader) -> Result<(), XmlError> {
    match property.name() {
        "DisplayName" => contact.display_name = xml.text()?,
        "FileAs" => contact.file_as = xml.text()?,
        "GivenName" => contact.given_name = xml.text()?,
        "MiddleName" => contact.middle_name = xml.text()?,
        "Surname" => contact.surname = xml.text()?,
        "Generation" => contact.suffix = xml.text()?,
        "Nickname" => contact.nickname = xml.text()?,
        "CompanyName" => contact.company = xml.text()?,
        "Department" => contact.department = xml.text()?,
        "JobTitle" => contact.job_title = xml.text()?,
        "Profession" => contact.profession = xml.text()?,
        "BusinessHomePage" => contact.web_page = xml.text()?,
        "Birthday" => contact.birthday = date_time(&xml.text()?),
        "WeddingAnniversary" => contact.anniversary = date_time(&xml.text()?),
        "Manager" => contact.manager = xml.text()?,
        "AssistantName" => contact.assistant = xml.text()?,
        "SpouseName" => contact.spouse = xml.text()?,
        "CompleteName" => read_complete_name(contact, xml)?,
        "EmailAddresses" => contact.emails = entries(xml)?.into_iter().filter(|entry| entry.value.contains('@')).collect(),
        "PhoneNumbers" => contact.phones = entries(xml)?,
        "ImAddresses" => contact.instant_messengers = entries(xml)?,
        "PhysicalAddresses" => contact.addresses = addresses(xml)?,
        _ => xml.skip()?,
    }
    Ok(())
}

fn read_complete_name(contact: &mut Contact, xml: &mut XmlReader) -> Result<(), XmlError> {
    while let Some(element) = xml.child()? {
        match element.name() {
            "Title" => contact.prefix = xml.text()?,
            "Suffix" => contact.suffix = xml.text()?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// Reads a dictionary of texts.
fn entries(xml: &mut XmlReader) -> Result<Vec<Labelled>, XmlError> {
    let mut entries = Vec::new();
    while let Some(entry) = xml.child()? {
        let value = xml.text()?.trim().to_owned();
        if !value.is_empty() {
            entries.push(Labelled { label: entry.attribute("Key").unwrap_or_default().to_owned(), value });
        }
    }
    Ok(entries)
}

fn addresses(xml: &mut XmlReader) -> Result<Vec<PostalAddress>, XmlError> {
    let mut addresses = Vec::new();
    while let Some(entry) = xml.child()? {
        let mut address = PostalAddress { label: entry.attribute("Key").unwrap_or_default().to_owned(), ..PostalAddress::default() };
        let empty = address.clone();
        while let Some(line) = xml.child()? {
            match line.name() {
                "Street" => address.street = xml.text()?,
                "City" => address.city = xml.text()?,
                "State" => address.state = xml.text()?,
                "CountryOrRegion" => address.country = xml.text()?,
                "PostalCode" => address.postal_code = xml.text()?,
                _ => xml.skip()?,
            }
        }
        if address != empty {
            addresses.push(address);
        }
    }
    Ok(addresses)
}
