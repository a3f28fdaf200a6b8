//! `/v1/config`: what is in force, with what files leave unsaid.

use super::answer::Answer;
use crate::daemon::Daemon;
use crate::definition::{Connection, Job, Storage};
use crate::peer::Peer;
use crate::schedule;
use axum::extract::{ConnectInfo, State};
use axum::{Extension, Json};
use c2b_api::Size;
use c2b_api::access::Role;
use c2b_api::config::{EffectiveChannel, EffectiveConfig, EffectiveConnection, EffectiveJob, EffectiveMetrics, EffectiveRetention, EffectiveStorage};
use c2b_api::connection::MailboxPlace;
use c2b_api::storage::StorageInfo;
use std::sync::Arc;

pub(super) async fn show(State(daemon): State<Arc<Daemon>>, ConnectInfo(peer): ConnectInfo<Peer>, Extension(role): Extension<Role>) -> Answer<EffectiveConfig> {
    let infos = daemon.storages.list().await;
    let metrics = daemon.settings.subscribe().borrow().metrics.clone();
    let channels = daemon.alerts.status().channels.into_iter();
    let known = daemon.definitions.known();
    let mut bad: Vec<String> = known.bad.iter().map(ToString::to_string).collect();
    bad.extend(daemon.settings.bad().map(|bad| bad.to_string()));
    bad.extend(daemon.access.bad().map(|bad| bad.to_string()));
    bad.extend(daemon.alerts.bad().map(|bad| bad.to_string()));
    Ok(Json(EffectiveConfig {
        folder: daemon.definitions.root().to_owned(),
        time_zone: schedule::local_zone_name(),
        bad,
        metrics: EffectiveMetrics { listen: metrics.listen.map(|address| address.to_string()), textfile: metrics.textfile },
        // Who else may do what is for those who decide it.
        access: if role == Role::Admin { daemon.access.info(&peer).grants } else { Vec::new() },
        alerts: channels.map(|channel| EffectiveChannel { name: channel.name, to: channel.to }).collect(),
        connections: known.connections.values().map(|connection| effective_connection(connection)).collect(),
        storages: known.storages.values().map(|storage| effective_storage(storage, &infos)).collect(),
        jobs: known.jobs.values().map(|job| effective_job(job)).collect(),
    }))
}

fn effective_connection(connection: &Connection) -> EffectiveConnection {
    let definition = connection.definition.clone();
    // Where nothing is said, the server's address list is asked.
    let mailboxes = if definition.mailboxes.is_empty() { vec![MailboxPlace::Names] } else { definition.mailboxes };
    EffectiveConnection {
        name: connection.name.to_string(),
        owner: connection.owner.clone(),
        kind: definition.kind,
        url: definition.url,
        autodiscover: definition.autodiscover,
        autodiscover_url: definition.autodiscover_url,
        autodiscover_root_domain: definition.autodiscover_root_domain,
        approved_hosts: definition.approved_hosts,
        mailboxes,
        sign_in: definition.sign_in,
        user: definition.user,
        oauth: definition.oauth,
        kerberos: definition.kerberos,
        ca_file: definition.ca_file,
        insecure: definition.insecure,
        ldap: definition.ldap,
    }
}

fn effective_storage(storage: &Storage, infos: &[StorageInfo]) -> EffectiveStorage {
    let name = storage.name.to_string();
    // Where nobody chose one, it depends on the file system.
    let usual = infos.iter().find(|info| info.name == name).map(|info| Size::bytes(info.reserve_bytes));
    let policy = &storage.retention;
    EffectiveStorage {
        name,
        owner: storage.owner.clone(),
        path: storage.path.clone(),
        reserve: storage.reserve.or(usual).unwrap_or(Size::bytes(0)),
        retention: EffectiveRetention {
            superseded_after: policy.superseded_after,
            deleted_after: policy.deleted_after,
            versions_max: policy.versions_max,
            every: policy.every,
            undo: policy.undo(),
        },
    }
}

fn effective_job(job: &Job) -> EffectiveJob {
    let definition = job.definition.clone();
    EffectiveJob {
        name: definition.name,
        owner: job.owner.clone(),
        connection: definition.connection,
        storage: definition.storage,
        disabled: definition.disabled,
        continuity: definition.continuity,
        source: definition.source,
        age: definition.filter.age,
        contacts_always: definition.filter.contacts_always,
        leave_out: definition.filter.leave_out,
        associated: definition.filter.associated,
        public_folders: definition.public_folders,
        activity: definition.activity,
    }
}
