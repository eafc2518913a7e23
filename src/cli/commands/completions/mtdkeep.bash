# bash completion for mtdkeep. The program itself says what may come: words, one a
# line, or :files, :folders, :programs, which the shell knows better.
_mtdkeep() {
    local word=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} line
    local -a lines
    # As the shell expands it: ~/bin/mtdkeep.
    program=${program/#\~\//$HOME/}
    mapfile -t lines < <("$program" __complete quoted "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=()
    # Readline splits --name=value at the sign.
    [[ $word != = ]] || word=
    case ${lines[0]-} in
    :files | :folders | :programs)
        local kind=-f
        [[ ${lines[0]} != :folders ]] || kind=-d
        [[ ${lines[0]} != :programs ]] || kind=-c
        compopt -o filenames
        [[ $word != *=* ]] || word=${word#*=}
        mapfile -t COMPREPLY < <(compgen "$kind" -- "$word")
        # Words beside the files, such as the name of a profile.
        lines=("${lines[@]:1}")
        ;;
    esac
    for line in "${lines[@]}"; do
        case $word in
        \"* | \'*) COMPREPLY+=("$line") ;;
        *) COMPREPLY+=("$(printf %q "$line")") ;;
        esac
    done
    # An option that wants its value at once.
    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}
complete -F _mtdkeep mtdkeep
