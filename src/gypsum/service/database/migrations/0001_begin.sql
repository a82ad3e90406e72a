-- Records of the service. Times are UTC; identifiers are random, so that none tells of another.

create table users (
    id uuid primary key default gen_random_uuid(),
    email text not null,                      -- small letters
    name text not null,
    password_hash text not null,              -- Argon2id, with its parameters
    verified boolean not null default false,  -- whether a letter to the address was answered
    is_admin boolean not null default false,
    quota_bytes bigint,                       -- null: as the service's setting says
    created_at timestamptz not null default now(),
    deleted_at timestamptz                    -- being deleted: can't sign in any more
);
create unique index users_email on users (email);

create table sessions (
    id bytea primary key,                     -- SHA-256 of the cookie's token
    public_id uuid not null unique default gen_random_uuid(),  -- what lists of sessions show
    user_id uuid not null references users on delete cascade,
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    agent text not null default '',
    address text not null default ''
);
create index sessions_user on sessions (user_id);
create index sessions_expiry on sessions (expires_at);

-- Links in letters: to confirm an address, to choose a new password.
create table letters (
    id bytea primary key,                     -- SHA-256 of the link's token
    user_id uuid not null references users on delete cascade,
    purpose text not null check (purpose in ('verify', 'reset')),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index letters_user on letters (user_id);

create table api_keys (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    name text not null,
    prefix text not null,                     -- the key's first letters, for people to tell it by
    hash bytea not null unique,               -- SHA-256 of the key
    scopes text[] not null,
    created_at timestamptz not null default now(),
    used_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz
);
create index api_keys_user on api_keys (user_id);

create table scans (
    id uuid primary key default gen_random_uuid(),
    owner uuid not null references users on delete cascade,
    title text not null,
    mode text not null,
    options jsonb not null default '{}',
    state text not null default 'draft'
        check (state in ('draft', 'queued', 'running', 'done', 'failed', 'cancelled')),
    privacy text not null default 'private' check (privacy in ('private', 'unlisted', 'public')),
    share_token text unique,
    created_at timestamptz not null default now(),
    queued_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    progress real not null default 0,
    stage text,
    doing text,
    seconds_left real,
    message text,
    revision int not null default 1,
    cancel_requested boolean not null default false,
    worker text,
    attempts int not null default 0,
    needs text not null default 'cpu' check (needs in ('cpu', 'gpu')),
    size_bytes bigint not null default 0,     -- of all its objects that count for the quota
    idempotency_key text,
    notify_email boolean not null default false
);
create index scans_owner on scans (owner, created_at desc, id desc);
create index scans_state on scans (state) where state in ('queued', 'running');
create index scans_gallery on scans (finished_at desc, id desc)
    where privacy = 'public' and state = 'done';

create table files (
    id uuid primary key default gen_random_uuid(),
    scan_id uuid not null references scans on delete cascade,
    name text not null,                       -- shown, never used as a path
    media_type text not null default 'application/octet-stream',
    bytes bigint not null,
    sha256 text,
    object_key text not null,
    state text not null default 'uploading' check (state in ('uploading', 'ready', 'refused')),
    offset_bytes bigint not null default 0,
    problem text,
    created_at timestamptz not null default now()
);
create index files_scan on files (scan_id, created_at, id);

create table results (
    id uuid primary key default gen_random_uuid(),
    scan_id uuid not null references scans on delete cascade,
    revision int not null,
    kind text not null check (kind in ('model', 'preview', 'thumbnail', 'report', 'log', 'viewer')),
    format text not null default '',
    name text not null,
    bytes bigint not null,
    media_type text not null,
    object_key text not null,
    created_at timestamptz not null default now()
);
create index results_scan on results (scan_id, revision);

-- The worker inserts, then says NOTIFY gypsum_events, '<scan id>'.
create table scan_events (
    id bigint generated always as identity primary key,
    scan_id uuid not null references scans on delete cascade,
    at timestamptz not null default now(),
    event text not null,
    data jsonb not null default '{}'
);
create index scan_events_scan on scan_events (scan_id, id);

create table webhooks (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users on delete cascade,
    url text not null,
    secret text not null,
    events text[] not null,
    created_at timestamptz not null default now(),
    disabled_at timestamptz
);
create index webhooks_user on webhooks (user_id);

create table webhook_deliveries (
    id uuid primary key default gen_random_uuid(),
    webhook_id uuid not null references webhooks on delete cascade,
    scan_id uuid,                             -- stays when its scan goes
    event text not null,
    body jsonb not null,
    attempts int not null default 0,
    next_at timestamptz not null default now(),
    delivered_at timestamptz,
    last_status text,
    created_at timestamptz not null default now()
);
create index webhook_deliveries_due on webhook_deliveries (next_at) where delivered_at is null;
create index webhook_deliveries_webhook on webhook_deliveries (webhook_id, created_at desc);

-- No reference to users: what was done outlives who did it.
create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    user_id uuid,
    action text not null,
    target text not null default '',
    address text not null default '',
    detail jsonb not null default '{}'
);
create index audit_user on audit (user_id, at desc);
create index audit_at on audit (at);

create table idempotency (
    user_id uuid not null references users on delete cascade,
    key text not null,
    request_hash bytea not null,
    status int,                               -- null while the first request is at work
    response jsonb,
    created_at timestamptz not null default now(),
    primary key (user_id, key)
);
create index idempotency_at on idempotency (created_at);

-- Counts of attempts. Lost in a crash of the database, which only forgives some.
create unlogged table rate_limits (
    key text not null,
    began timestamptz not null,
    count int not null,
    primary key (key)
);
create index rate_limits_began on rate_limits (began);
