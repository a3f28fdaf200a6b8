//! `c2bctl storage`: where backups are kept, how they are sealed, looked after, thinned out, erased and copied.

mod care;
mod copy;
mod create;
mod erase;
mod follow;
mod free;
mod key;
mod rename;
mod retention;
mod show;

pub(crate) use show::table;

use crate::delete::{DeleteArgs, delete};
use crate::error::Error;
use crate::exit::Exit;
use crate::human;
use crate::list::list;
use crate::noun::{NameArgs, Noun};
use crate::session::Session;
use c2b_api::storage::StorageInfo;
use clap::Subcommand;

const EXAMPLES_LIST: &str = "Examples:\n  c2bctl storage list\n  c2bctl --json storage list | jq -r '.[].path'";
const EXAMPLES_SHOW: &str = "Examples:\n  c2bctl storage show archive";
const EXAMPLES_REBUILD: &str = "\
The index can always be made anew from the data files. Exit code 3 when some of them could not be used.

Examples:
  c2bctl storage rebuild archive";
const EXAMPLES_DELETE: &str = "\
The files stay where they are; `storage import` with the same path attaches them again.

Examples:
  c2bctl storage detach archive
  c2bctl storage delete archive --yes";

#[derive(Subcommand, Debug)]
pub(crate) enum StorageCommand {
    Create(create::CreateArgs),
    Import(create::ImportArgs),
    /// List all storages
    #[command(after_help = EXAMPLES_LIST)]
    List,
    /// Show a storage: seal, counts, savings, free space, what waits to be freed
    #[command(after_help = EXAMPLES_SHOW)]
    Show(NameArgs),
    Rename(rename::RenameArgs),
    /// Forget a storage; its files stay
    #[command(after_help = EXAMPLES_DELETE, visible_alias = "detach")]
    Delete(DeleteArgs),
    Unlock(key::UnlockArgs),
    /// The passwords of a sealed storage
    #[command(subcommand)]
    Password(key::PasswordCommand),
    RecoveryKey(key::RecoveryKeyArgs),
    RotateKeys(key::RotateKeysArgs),
    Check(care::CheckArgs),
    /// Make the index of a storage anew from its data files
    #[command(after_help = EXAMPLES_REBUILD)]
    Rebuild(NameArgs),
    Repair(care::RepairArgs),
    Retention(retention::RetentionArgs),
    Prune(retention::PruneArgs),
    Unprune(retention::UnpruneArgs),
    Free(free::FreeArgs),
    Erase(erase::EraseArgs),
    Erased(erase::ErasedArgs),
    Allow(erase::AllowArgs),
    Copy(copy::CopyArgs),
}

/// Does what the arguments say.
pub(crate) async fn run(session: &Session, command: &StorageCommand) -> Result<Exit, Error> {
    match command {
        StorageCommand::Create(args) => create::create(session, args).await,
        StorageCommand::Import(args) => create::import(session, args).await,
        StorageCommand::List => list(session, Noun::Storage, table).await,
        StorageCommand::Show(args) => show::show(session, &args.name).await,
        StorageCommand::Rename(args) => rename::rename(session, args).await,
        StorageCommand::Delete(args) => delete(session, Noun::Storage, args, "its files stay where they are").await,
        StorageCommand::Unlock(args) => key::unlock(session, args).await,
        StorageCommand::Password(command) => key::password(session, command).await,
        StorageCommand::RecoveryKey(args) => key::recovery_key(session, args).await,
        StorageCommand::RotateKeys(args) => key::rotate_keys(session, args).await,
        StorageCommand::Check(args) => care::check(session, args).await,
        StorageCommand::Rebuild(args) => care::rebuild(session, &args.name).await,
        StorageCommand::Repair(args) => care::repair(session, args).await,
        StorageCommand::Retention(args) => retention::retention(session, args).await,
        StorageCommand::Prune(args) => retention::prune(session, args).await,
        StorageCommand::Unprune(args) => retention::unprune(session, args).await,
        StorageCommand::Free(args) => free::free(session, args).await,
        StorageCommand::Erase(args) => erase::erase(session, args).await,
        StorageCommand::Erased(args) => erase::erased(session, args).await,
        StorageCommand::Allow(args) => erase::allow(session, args).await,
        StorageCommand::Copy(args) => copy::copy(session, args).await,
    }
}

fn mailboxes(info: &StorageInfo) -> String {
    human::count::nouns(info.mailboxes, "mailbox", "mailboxes")
}

fn items(info: &StorageInfo) -> String {
    human::count::nouns(info.items, "item", "items")
}
