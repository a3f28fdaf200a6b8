//! Passwords and keys: changed, rotated, and everything sealed anew.

use crate::dump::dump;
use crate::erase::fill;
use crate::faulty::{Fault, FaultyStore, fault_everywhere};
use crate::support::{CHEAP, Place, address, machine, password, secret, time};
use c2b_storagefmt::{Catalog, EraseStep, Error, ResealStep, SealError, Sealing, Unlock, WrapKind, Writer};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A storage that opens with [`key`] alone.
fn create(place: &Place) -> Writer {
    let sealing = Sealing::Sealed { password: Some(secret("correct horse")), machine: None, params: CHEAP };
    Writer::create(&place.dir(), time(0), sealing).unwrap().0
}

fn key() -> Unlock {
    password("correct horse")
}

fn reseal(writer: &mut Writer) -> Result<(), Error> {
    let mut run = writer.reseal_begin()?;
    while writer.reseal_step(&mut run)? == ResealStep::More {}
    assert_eq!(run.report().stuck, Vec::<String>::new());
    Ok(())
}

fn opens(place: &Place, unlock: &Unlock) -> bool {
    match Writer::open(&place.dir(), unlock) {
        Ok(_) => true,
        Err(Error::Seal { err: SealError::WrongKey { .. } | SealError::NoneOfKind { .. } }) => false,
        Err(err) => panic!("{err}"),
    }
}

#[test]
fn passwords_and_keys_come_and_go() {
    let place = Place::new();
    let mut writer = create(&place);
    let machine = machine();
    let mut keys = writer.keys().unwrap();
    assert_eq!(keys.list().iter().map(|wrap| wrap.kind).collect::<Vec<_>>(), [WrapKind::Password, WrapKind::Recovery]);
    let second = keys.add_password("second", &secret("two"), CHEAP, time(1)).unwrap();
    let machine_id = keys.add_machine("server", &machine, time(1)).unwrap();
    assert!(matches!(keys.add_password("second", &secret("x"), CHEAP, time(1)), Err(Error::Seal { err: SealError::LabelTaken { .. } })));
    keys.change_password(second, &secret("zwei"), CHEAP, time(2)).unwrap();
    let recovery = keys.renew_recovery(time(2)).unwrap();
    drop(writer);
    let recovery = Unlock::Recovery(Zeroizing::new(recovery.to_string()));
    assert!(opens(&place, &key()) && opens(&place, &password("zwei")) && opens(&place, &Unlock::Machine(machine.clone())) && opens(&place, &recovery));
    assert!(!opens(&place, &password("two")));
    let mut writer = Writer::open(&place.dir(), &recovery).unwrap();
    assert_eq!(writer.keys().unwrap().remove(second).unwrap().label, "second");
    // Rotated by the machine key: passwords must be given anew.
    let rotated = writer.keys().unwrap().rotate(&Unlock::Machine(machine.clone()), None, time(3)).unwrap();
    assert_eq!(rotated.dropped.iter().map(|wrap| wrap.label.as_str()).collect::<Vec<_>>(), ["password"]);
    assert_eq!(
        writer.keys().unwrap().list().iter().map(|wrap| (wrap.kind, wrap.id == machine_id)).collect::<Vec<_>>(),
        [(WrapKind::Machine, true), (WrapKind::Recovery, false)]
    );
    assert!(writer.keys().unwrap().remove(machine_id).is_ok());
    drop(writer);
    assert!(!opens(&place, &key()) && !opens(&place, &password("zwei")) && !opens(&place, &Unlock::Machine(machine)) && !opens(&place, &recovery));
    assert!(opens(&place, &Unlock::Recovery(Zeroizing::new(rotated.recovery.to_string()))));

    let open = Place::new();
    assert!(matches!(open.create().keys().map(drop), Err(Error::NotSealed { .. })));
}

#[test]
fn a_change_of_keys_that_cannot_be_saved_is_none() {
    let place = Place::new();
    drop(create(&place));
    let store = FaultyStore::new(&place.dir(), Fault::Never);
    let mut writer = Writer::open_on(&place.dir(), Arc::clone(&store) as _, &key()).unwrap();
    let before = writer.keys().unwrap().list();
    drop(writer);
    let store = FaultyStore::new(&place.dir(), Fault::Full(0));
    let mut writer = Writer::open_on(&place.dir(), Arc::clone(&store) as _, &key()).unwrap();
    let err = writer.keys().unwrap().add_password("second", &secret("two"), CHEAP, time(1)).unwrap_err();
    assert!(err.is_no_space(), "{err:?}");
    assert_eq!(writer.keys().unwrap().list(), before);
    assert!(writer.keys().unwrap().rotate(&key(), None, time(1)).is_err());
    store.heal();
    assert_eq!(writer.keys().unwrap().add_password("second", &secret("two"), CHEAP, time(1)).unwrap(), 3);
    drop(writer);
    assert!(opens(&place, &key()) && opens(&place, &password("two")));
}

#[test]
fn a_crash_before_any_step_of_a_rotation_and_sealing_anew_is_made_good() {
    crash(Fault::Before);
}

#[test]
fn a_crash_after_any_step_of_a_rotation_and_sealing_anew_is_made_good() {
    crash(Fault::After);
}

fn crash(fault: impl Fn(usize) -> Fault) {
    let original = Place::new();
    let mut writer = create(&original);
    fill(&mut writer);
    let before = dump(&writer.catalog(), &writer.contents());
    drop(writer);
    let work = |writer: &mut Writer| {
        writer.keys()?.rotate(&key(), None, time(9))?;
        reseal(writer)
    };
    fault_everywhere(&original, &key(), fault, work, |place, _, fault| {
        let mut writer = Writer::open(&place.dir(), &key()).unwrap();
        assert!(dump(&writer.catalog(), &writer.contents()) == before, "{fault:?}");
        reseal(&mut writer).unwrap();
        assert_eq!(writer.keys().unwrap().generations().len(), 1, "{fault:?}");
        assert!(dump(&writer.catalog(), &writer.contents()) == before, "{fault:?}, then the rest");
        drop(writer);
        let mut writer = Writer::open(&place.dir(), &key()).unwrap();
        assert!(writer.mailbox(&address("bob")).is_ok());
        drop(writer);
        place.is_clean(&key(), &fault);
    });
}

#[test]
fn a_reader_goes_on_through_rotation_erasure_and_sealing_anew() {
    let place = Place::new();
    let mut writer = create(&place);
    fill(&mut writer);
    let (catalog, contents): (Catalog, _) = Catalog::open_reader(&place.dir(), &place.scratch(), &key()).unwrap();
    let before = dump(&catalog, &contents);
    writer.keys().unwrap().rotate(&key(), None, time(9)).unwrap();
    catalog.refresh().unwrap();
    assert!(dump(&catalog, &contents) == before);
    let eve = writer.catalog().mailbox(&address("eve")).unwrap().unwrap().key;
    let mut run = writer.erase_begin(eve, "root", time(10)).unwrap();
    while writer.erase_step(&mut run, time(10)).unwrap() == EraseStep::More {
        catalog.refresh().unwrap();
        assert!(!dump(&catalog, &contents).contains("unreadable"));
    }
    catalog.refresh().unwrap();
    assert_eq!(catalog.mailbox(&address("eve")).unwrap(), None);
    let before = dump(&catalog, &contents);
    reseal(&mut writer).unwrap();
    assert!(dump(&catalog, &contents) == before, "without a refresh");
    catalog.refresh().unwrap();
    assert!(dump(&catalog, &contents) == before);
    assert!(dump(&writer.catalog(), &writer.contents()) == before);
}
